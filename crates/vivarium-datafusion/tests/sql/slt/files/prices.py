from vivarium import udf


@udf
def gross(net: float) -> float:
    return net * 1.25


@udf(name="net_price")
def net(gross: float) -> float:
    return gross / 1.25
