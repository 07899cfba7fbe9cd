# /// script
# dependencies = [
#     "faker==37.8.0",
# ]
# ///
from faker import Faker

Faker.seed(1)
first = Faker("de_DE").name()
Faker.seed(1)
assert Faker("de_DE").name() == first
print(first)
