"""Digests and checksums of bytes: hashlib, zlib, binascii; base64 is plain Python on top of binascii."""

import types

from vivarium._lift.values import BYTES, NUMBER, TEXT, Const, Deopt, Made, Reg, type_of

_DIGESTS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
_CHECKSUMS = {("zlib", "crc32"): 0, ("binascii", "crc32"): 0, ("zlib", "adler32"): 1}
_CODECS = {
    ("binascii", "b2a_base64"): "bytes_to_base64",
    ("binascii", "a2b_base64"): "bytes_from_base64",
    ("binascii", "hexlify"): "bytes_hex",
    ("binascii", "b2a_hex"): "bytes_hex",
    ("binascii", "unhexlify"): "bytes_from_hex",
    ("binascii", "a2b_hex"): "bytes_from_hex",
}
_OPTIONS = {"b2a_base64": "newline", "a2b_base64": "strict_mode"}
"""Keywords. What the kernel knows of base64 is the same strictly and not."""

_DIGEST_MODULES = ("_hashlib", "_md5", "_sha1", "_sha2", "_sha256", "_sha512")


def _place(fn):
    """(module, name) of a function that is written in C. Nothing that a file can make looks like one."""
    if type(fn) is not types.BuiltinFunctionType or type(fn.__self__) is not types.ModuleType:
        return None
    module = vars(fn.__self__).get("__name__")
    return (module, fn.__name__) if type(module) is str else None


def _digest_of(place):
    """The name of the digest that the function makes, or None."""
    name = place[1].removeprefix("openssl_")
    return name if place[0] in _DIGEST_MODULES and name in _DIGESTS else None


def is_digest(v):
    return isinstance(v, Made) and v.kind == "digest"


class Digests:
    """A digest: of which kind; its bytes. `update()` is the interpreter's: two variables may have the same object."""

    def digest_function(self, fn, arguments, keywords, state):
        """The result, or None when the function is another one."""
        place = _place(fn)
        name = place and _digest_of(place)
        if name is None and place not in _CHECKSUMS and place not in _CODECS:
            return None
        arguments = [self.present(v, state) for v in arguments]
        if name is not None:
            return self._digest(name, arguments, keywords, state)
        if place in _CODECS:
            return self._recoded(place, arguments, keywords, state)
        if keywords or len(arguments) != 1 or type_of(arguments[0]) != BYTES:
            raise Deopt(f"{place[1]}() of such values")
        data, mask = self.as_reg(arguments[0]), self.m_reg(state.mask)
        return Reg(NUMBER, self.emit("bytes_checksum", NUMBER, data, mask=mask, extra=_CHECKSUMS[place]))

    def _digest(self, name, arguments, keywords, state):
        known = not set(keywords) - {"usedforsecurity"} and all(isinstance(v, Const) and type(v.v) is bool for v in keywords.values())
        if not known or len(arguments) != 1 or type_of(arguments[0]) != BYTES:
            raise Deopt(f"{name}() of such a value")
        data, mask = self.as_reg(arguments[0]), self.m_reg(state.mask)
        found = self.emit("bytes_digest", BYTES, data, mask=mask, extra=_DIGESTS.index(name))
        return Made("digest", name, [Reg(BYTES, found)])

    def _recoded(self, place, arguments, keywords, state):
        name, kernel = place[1], _CODECS[place]
        known = all(key == _OPTIONS.get(name) and isinstance(v, Const) and type(v.v) is bool for key, v in keywords.items())
        if name == "b2a_base64":
            known = known and "newline" in keywords and keywords["newline"].v is False
        readable = (BYTES, TEXT) if kernel in ("bytes_from_base64", "bytes_from_hex") else (BYTES,)
        if not known or len(arguments) != 1 or type_of(arguments[0]) not in readable:
            raise Deopt(f"{name}() of such values")
        return Reg(BYTES, self.emit(kernel, BYTES, self.as_reg(arguments[0]), mask=self.m_reg(state.mask)))

    def digest_method(self, name, digest, arguments, state):
        if name == "digest" and not arguments:
            return digest.parts[0]
        if name == "hexdigest" and not arguments:
            return self.bytes_method("hex", digest.parts[0], arguments, {}, state)
        raise Deopt(f"{digest.about}().{name}()")
