# /// script
# dependencies = [
#     "sqlparse==0.5.3",
# ]
# ///
import sqlparse

assert len(sqlparse.split("select 1; select 2;")) == 2
print(sqlparse.format("select a from t where x=1", keyword_case="upper"))
