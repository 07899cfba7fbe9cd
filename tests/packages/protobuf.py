# /// script
# dependencies = [
#     "protobuf==6.32.1",
# ]
# ///
from google.protobuf import json_format, struct_pb2, timestamp_pb2

value = struct_pb2.Struct()
json_format.Parse('{"a": [1, true, "x"]}', value)
copy = struct_pb2.Struct.FromString(value.SerializeToString())
assert json_format.MessageToDict(copy) == {"a": [1.0, True, "x"]}
print(timestamp_pb2.Timestamp(seconds=60).ToJsonString())
