/* Digests of bytes: MD5 (RFC 1321), SHA-1 and SHA-2 (FIPS 180-4); checksums: CRC-32 (RFC 1952) and Adler-32 (RFC 1950).
 *
 * All five of the SHA family and MD5 take a message in blocks, and end it with a bit, zeros and its length. CPython has them too, but only
 * behind objects, and in other files in every series. */
#include "../columns.h"

typedef union {
    uint32_t narrow[8];
    uint64_t wide[8];
} sums;

/* ---- MD5 and SHA-1 ---- */

static inline uint32_t left(uint32_t word, int bits) { return word << bits | word >> (32 - bits); }
static inline uint32_t right(uint32_t word, int bits) { return word >> bits | word << (32 - bits); }
static inline uint64_t right_wide(uint64_t word, int bits) { return word >> bits | word << (64 - bits); }

static inline uint32_t big(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Of the sines of 1 to 64 the first 32 bits behind the point. */
static const uint32_t sines[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

static void mix_md5(sums *s, const uint8_t *block) {
    static const uint8_t turns[16] = {7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21};
    uint32_t a = s->narrow[0], b = s->narrow[1], c = s->narrow[2], d = s->narrow[3], words[16];
    memcpy(words, block, sizeof words); /* little-endian, as all machines are that this is built for */
    for (int i = 0; i < 64; i++) {
        uint32_t f;
        int at;
        if (i < 16) f = (b & c) | (~b & d), at = i;
        else if (i < 32) f = (d & b) | (~d & c), at = (5 * i + 1) & 15;
        else if (i < 48) f = b ^ c ^ d, at = (3 * i + 5) & 15;
        else f = c ^ (b | ~d), at = (7 * i) & 15;
        f += a + sines[i] + words[at];
        a = d, d = c, c = b;
        b += left(f, turns[i / 16 * 4 + i % 4]);
    }
    s->narrow[0] += a, s->narrow[1] += b, s->narrow[2] += c, s->narrow[3] += d;
}

static void mix_sha1(sums *s, const uint8_t *block) {
    uint32_t a = s->narrow[0], b = s->narrow[1], c = s->narrow[2], d = s->narrow[3], e = s->narrow[4], words[80];
    for (int i = 0; i < 16; i++) words[i] = big(block + 4 * i);
    for (int i = 16; i < 80; i++) words[i] = left(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
    for (int i = 0; i < 80; i++) {
        uint32_t f;
        if (i < 20) f = ((b & c) | (~b & d)) + 0x5A827999;
        else if (i < 40) f = (b ^ c ^ d) + 0x6ED9EBA1;
        else if (i < 60) f = ((b & c) | (b & d) | (c & d)) + 0x8F1BBCDC;
        else f = (b ^ c ^ d) + 0xCA62C1D6;
        f += left(a, 5) + e + words[i];
        e = d, d = c, c = left(b, 30), b = a, a = f;
    }
    s->narrow[0] += a, s->narrow[1] += b, s->narrow[2] += c, s->narrow[3] += d, s->narrow[4] += e;
}

/* ---- SHA-2 ---- */

/* Of the cube roots of the first 80 primes the first 64 bits behind the point; SHA-256 takes the first 32 of 64 of them. */
static const uint64_t cube_roots[80] = {
    0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc, 0x3956c25bf348b538,
    0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118, 0xd807aa98a3030242, 0x12835b0145706fbe,
    0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2, 0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235,
    0xc19bf174cf692694, 0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
    0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5, 0x983e5152ee66dfab,
    0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4, 0xc6e00bf33da88fc2, 0xd5a79147930aa725,
    0x06ca6351e003826f, 0x142929670a0e6e70, 0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed,
    0x53380d139d95b3df, 0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
    0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30, 0xd192e819d6ef5218,
    0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8, 0x19a4c116b8d2d0c8, 0x1e376c085141ab53,
    0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8, 0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373,
    0x682e6ff3d6b2b8a3, 0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
    0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b, 0xca273eceea26619c,
    0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178, 0x06f067aa72176fba, 0x0a637dc5a2c898a6,
    0x113f9804bef90dae, 0x1b710b35131c471b, 0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc,
    0x431d67c49c100d4c, 0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
};

/* Of the square roots of the first 16 primes the first 64 bits behind the point: where all of SHA-2 starts. */
static const uint64_t square_roots[16] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1, 0x510e527fade682d1,
    0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179, 0xcbbb9d5dc1059ed8, 0x629a292a367cd507,
    0x9159015a3070dd17, 0x152fecd8f70e5939, 0x67332667ffc00b31, 0x8eb44a8768581511, 0xdb0c2e0d64f98fa7,
    0x47b5481dbefa4fa4,
};

#define CHOICE(x, y, z) (((x) & (y)) ^ (~(x) & (z)))
#define MAJORITY(x, y, z) (((x) & (y)) ^ ((x) & (z)) ^ ((y) & (z)))

/* One turn for the eight words of v, with its root and its word of the message. */
#define TURN(T, v, sum0, sum1, root, word)                                   \
    do {                                                                     \
        const T first = v[7] + (sum1) + CHOICE(v[4], v[5], v[6]) + (root) + (word); \
        const T second = (sum0) + MAJORITY(v[0], v[1], v[2]);                \
        v[7] = v[6], v[6] = v[5], v[5] = v[4], v[4] = v[3] + first;          \
        v[3] = v[2], v[2] = v[1], v[1] = v[0], v[0] = first + second;        \
    } while (0)

static void mix_sha256(sums *s, const uint8_t *block) {
    uint32_t v[8], words[64];
    memcpy(v, s->narrow, sizeof v);
    for (int i = 0; i < 16; i++) words[i] = big(block + 4 * i);
    for (int i = 16; i < 64; i++) {
        const uint32_t a = words[i - 15], b = words[i - 2];
        words[i] = words[i - 16] + words[i - 7] + (right(a, 7) ^ right(a, 18) ^ a >> 3) + (right(b, 17) ^ right(b, 19) ^ b >> 10);
    }
    VV_UNROLL for (int i = 0; i < 64; i++)
        TURN(uint32_t, v, right(v[0], 2) ^ right(v[0], 13) ^ right(v[0], 22), right(v[4], 6) ^ right(v[4], 11) ^ right(v[4], 25),
             (uint32_t)(cube_roots[i] >> 32), words[i]);
    for (int i = 0; i < 8; i++) s->narrow[i] += v[i];
}

static void mix_sha512(sums *s, const uint8_t *block) {
    uint64_t v[8], words[80];
    memcpy(v, s->wide, sizeof v);
    for (int i = 0; i < 16; i++) words[i] = (uint64_t)big(block + 8 * i) << 32 | big(block + 8 * i + 4);
    for (int i = 16; i < 80; i++) {
        const uint64_t a = words[i - 15], b = words[i - 2];
        words[i] = words[i - 16] + words[i - 7] + (right_wide(a, 1) ^ right_wide(a, 8) ^ a >> 7) + (right_wide(b, 19) ^ right_wide(b, 61) ^ b >> 6);
    }
    VV_UNROLL for (int i = 0; i < 80; i++)
        TURN(uint64_t, v, right_wide(v[0], 28) ^ right_wide(v[0], 34) ^ right_wide(v[0], 39),
             right_wide(v[4], 14) ^ right_wide(v[4], 18) ^ right_wide(v[4], 41), cube_roots[i], words[i]);
    for (int i = 0; i < 8; i++) s->wide[i] += v[i];
}

/* ---- All of them ---- */

enum { MD5, SHA1, SHA224, SHA256, SHA384, SHA512, DIGESTS };

typedef struct {
    void (*mix)(sums *s, const uint8_t *block);
    uint8_t block, size; /* bytes of a block and of the digest */
} algorithm;

static const algorithm algorithms[DIGESTS] = {
    [MD5] = {mix_md5, 64, 16},       [SHA1] = {mix_sha1, 64, 20},      [SHA224] = {mix_sha256, 64, 28},
    [SHA256] = {mix_sha256, 64, 32}, [SHA384] = {mix_sha512, 128, 48}, [SHA512] = {mix_sha512, 128, 64},
};

static void start(sums *s, int which) {
    static const uint32_t plain[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    for (int i = 0; i < 8; i++) {
        if (which == SHA384) s->wide[i] = square_roots[8 + i];
        else if (which == SHA512) s->wide[i] = square_roots[i];
        else if (which == SHA224) s->narrow[i] = (uint32_t)square_roots[8 + i];
        else if (which == SHA256) s->narrow[i] = (uint32_t)(square_roots[i] >> 32);
        else s->narrow[i] = i < 5 ? plain[i] : 0;
    }
}

/* Writes the digest of the message. */
static void digest(int which, vv_text message, uint8_t *to) {
    const algorithm *with = &algorithms[which];
    const uint32_t block = with->block, whole = message.size / block * block, rest = message.size - whole;
    sums s;
    start(&s, which);
    for (uint32_t at = 0; at < whole; at += block) with->mix(&s, message.at + at);
    /* What is left, a bit, zeros, and the length in bits in the last eight bytes: of SHA-512's sixteen, the first are zeros. */
    uint8_t end[256] = {0};
    const uint32_t size = rest + 1 + block / 8 <= block ? block : 2 * block;
    const uint64_t bits = (uint64_t)message.size * 8;
    memcpy(end, message.at + whole, rest);
    end[rest] = 0x80;
    for (uint32_t i = 0; i < 8; i++) end[size - 8 + i] = (uint8_t)(bits >> 8 * (which == MD5 ? i : 7 - i));
    for (uint32_t at = 0; at < size; at += block) with->mix(&s, end + at);
    for (uint32_t i = 0; i < with->size; i++) {
        if (which == MD5) to[i] = (uint8_t)(s.narrow[i / 4] >> 8 * (i % 4));
        else if (block == 64) to[i] = (uint8_t)(s.narrow[i / 4] >> 8 * (3 - i % 4));
        else to[i] = (uint8_t)(s.wide[i / 8] >> 8 * (7 - i % 8));
    }
}

/* extra: which one. */
void vv_k_bytes_digest(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    vv_text *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    const int which = op->extra >= 0 && op->extra < DIGESTS ? op->extra : MD5;
    const uint8_t size = algorithms[which].size;
    block->ascii[op->to] = 0;
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i)) continue;
        uint8_t *copy = vv_room(size);
        if (copy == NULL) {
            block->fail[i] = 1;
            continue;
        }
        digest(which, x[i], copy);
        to[i] = (vv_text){copy, size};
    }
}

/* ---- Checksums ---- */

static uint32_t crc32(vv_text bytes) {
    static uint32_t table[256];
    for (uint32_t i = 0; table[255] == 0 && i < 256; i++) {
        uint32_t word = i;
        for (int bit = 0; bit < 8; bit++) word = word >> 1 ^ (word & 1 ? 0xEDB88320 : 0);
        table[i] = word;
    }
    uint32_t sum = UINT32_MAX;
    for (uint32_t i = 0; i < bytes.size; i++) sum = sum >> 8 ^ table[(sum ^ bytes.at[i]) & 0xFF];
    return ~sum;
}

static uint32_t adler32(vv_text bytes) {
    const uint32_t modulus = 65521;
    uint32_t low = 1, high = 0;
    for (uint32_t i = 0; i < bytes.size;) {
        /* So many bytes later `high` still has room in 32 bits. */
        const uint32_t end = bytes.size - i > 5552 ? i + 5552 : bytes.size;
        for (; i < end; i++) low += bytes.at[i], high += low;
        low %= modulus, high %= modulus;
    }
    return high << 16 | low;
}

/* extra: 0: CRC-32, 1: Adler-32 */
void vv_k_bytes_checksum(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a];
    int64_t *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    for VV_ROWS(i) to[i] = !VV_ACTIVE(i) ? 0 : op->extra == 0 ? crc32(x[i]) : adler32(x[i]);
}
