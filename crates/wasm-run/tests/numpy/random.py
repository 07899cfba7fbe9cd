"""RandomState gives the numbers that it gives on 64-bit Linux: the hashes are those of numpy's test_randomstate.py there.

That test itself takes the guest for a platform whose default integer has 32 bits.
"""

import hashlib

import numpy as np

HASHES = {
    ("binomial", 100.0, 0.6): "8626dd9d052cb608e93d8868de0a7b347258b199493871a1dc56e2a26cacb112",
    ("geometric", 0.5): "8edd53d272e49c4fc8fbbe6c7d08d563d62e482921f3131d0a0e068af30f0db9",
    ("hypergeometric", 20, 20, 10): "83496cc4281c77b786c9b7ad88b74d42e01603a55c60577ebab81c3ba8d45657",
    ("logseries", 0.5): "65878a38747c176bc00e930ebafebb69d4e1e16cd3a704e264ea8f5e24f548db",
    ("multinomial", 20, (1 / 6.0,) * 6): "7a984ae6dca26fd25374479e118b22f55db0aedccd5a0f2584ceada33db98605",
    ("negative_binomial", 100, 0.5): "d636d968e6a24ae92ab52fe11c46ac45b0897e98714426764e820a7d77602a61",
    ("poisson", 10.0): "956552176f77e7c9cb20d0118fc9cf690be488d790ed4b4c4747b965e61b0bb4",
    ("zipf", 2): "f84ba7feffda41e606e20b28dfc0f1ea9964a74574513d4a4cbc98433a8bfa45",
}

for (name, *arguments), expected in HASHES.items():
    np.random.seed(123456789)
    values = getattr(np.random, name)(*arguments, size=1000000)
    assert values.dtype == np.int64, (name, values.dtype)
    assert hashlib.sha256(values.view(np.int8)).hexdigest() == expected, name
