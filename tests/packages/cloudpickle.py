# /// script
# dependencies = [
#     "cloudpickle==3.1.1",
# ]
# ///
import pickle

import cloudpickle

factor = 3
print(pickle.loads(cloudpickle.dumps(lambda x: x * factor))(14))
