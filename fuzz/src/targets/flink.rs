//! What crosses between Flink's worker and its guest, and what a job describes.

use vivarium_flink::fuzzing::{cut_elements, read_descriptor, read_frames, read_state_requests};

/// A message of the guest's: what is read is what was written. Its bytes as elements, too, cut into parts of a size that the first byte
/// says: nothing is lost, and only an element that is larger than the size makes a larger part.
pub fn frames(bytes: &[u8]) {
    if let Some(again) = read_frames(bytes) {
        assert_eq!(again, bytes, "frames are written as they were read");
    }
    let Some((&most, elements)) = bytes.split_first() else { return };
    let parts = cut_elements(elements, usize::from(most).max(1));
    assert_eq!(parts.concat(), elements, "no byte of the elements is lost");
}

pub fn frames_seeds() -> Vec<Vec<u8>> {
    let frame = |kind: u8, name: &str, content: &[u8]| {
        let [name_length, length] = [name.len(), content.len()].map(|length| (length as u32).to_le_bytes());
        [&[kind][..], &name_length, name.as_bytes(), &length, content].concat()
    };
    vec![
        [frame(1, "sink", b"\x03abc\x01d"), frame(4, "", b"[]")].concat(),
        frame(2, "timers", b""),
        b"\x08\x03abc\x05defgh\x00\x80\x01".to_vec(),
    ]
}

/// Requests for state.
pub fn state(bytes: &[u8]) {
    if let Some(count) = read_state_requests(bytes) {
        assert!(count > 0 && count * 9 <= bytes.len(), "{count} requests in {} bytes", bytes.len());
    }
}

/// A message of Protocol Buffers with these fields of bytes, of fewer than 128 bytes each, or else of fewer than 16,384.
fn message(fields: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, content) in fields {
        bytes.push(number << 3 | 2);
        match content.len() {
            length @ ..0x80 => bytes.push(length as u8),
            length => bytes.extend([length as u8 | 0x80, (length >> 7) as u8]),
        }
        bytes.extend_from_slice(content);
    }
    bytes
}

pub fn state_seeds() -> Vec<Vec<u8>> {
    // A bag of a user's (3) and the keys of a map (5): of a transform, a window and a key, by the numbers of Beam's StateKey.
    let keyed = message(&[(1, b"transform"), (2, b"state"), (3, b""), (4, b"key")]);
    let keys = [message(&[(3, &keyed)]), message(&[(5, &keyed)])];
    let request = |kind: u8, key: &[u8], content: &[u8]| {
        let [key_length, length] = [key.len(), content.len()].map(|length| (length as u32).to_le_bytes());
        [&[kind][..], &key_length, key, &length, content].concat()
    };
    vec![
        [request(2, &keys[0], b""), request(1, &keys[0], b"value"), request(0, &keys[1], b"token")].concat(),
        request(0, &keys[0], b""),
    ]
}

/// A bundle's descriptor: what is told of it is JSON.
pub fn descriptor(bytes: &[u8]) {
    if let Some(told) = read_descriptor(bytes) {
        assert!(told.starts_with('{'), "{told}");
    }
}

pub fn descriptor_seeds() -> Vec<Vec<u8>> {
    // By the numbers of Beam's ProcessBundleDescriptor (transforms: 2, coders: 5), PTransform (name: 5, spec: 1, inputs: 3, outputs: 4),
    // FunctionSpec (urn: 1, payload: 3) and RemoteGrpcPort (address: 1, coder: 2).
    let entry = |field: u8, key: &str, value: &[u8]| message(&[(field, &message(&[(1, key.as_bytes()), (2, value)]))]);
    let spec = |urn: &str, payload: &[u8]| message(&[(1, urn.as_bytes()), (3, payload)]);
    let port = message(&[(1, &message(&[(1, b"localhost:1")])), (2, b"coder")]);
    let transform =
        |urn: &str, payload: &[u8], ends: &[u8]| [message(&[(1, &spec(urn, payload))]), ends.to_vec()].concat();
    let source = transform("beam:runner:source:v1", &port, &entry(4, "out", b"rows"));
    let function = transform(
        "flink:transform:scalar_function:v1",
        b"f",
        &[entry(3, "in", b"rows"), entry(4, "out", b"results")].concat(),
    );
    let sink = transform("beam:runner:sink:v1", &port, &entry(3, "in", b"results"));
    let coder = message(&[(1, &spec("beam:coder:bytes:v1", b""))]);
    let parts = [
        entry(2, "source", &source),
        entry(2, "function", &function),
        entry(2, "sink", &sink),
        entry(5, "coder", &coder),
    ];
    vec![[message(&[(1, b"bundle")]), parts.concat()].concat(), message(&[(1, b"bundle")])]
}
