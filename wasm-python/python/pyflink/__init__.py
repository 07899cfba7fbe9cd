"""PyFlink's declarations of functions, for files that are written for it. Our own code, after the documented signatures.

What declares and describes functions is here; what builds and runs jobs (`TableEnvironment`, `DataStream`, ...) is not, because
it is not the function's business.
"""
