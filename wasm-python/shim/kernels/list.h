/* All kernels, by name: C's table (program.c) and the names that vivarium._lift uses (`_vivarium.KERNELS`) are made of this list. */
#define VV_KERNELS(X)                                                                                                             \
    X(loop) X(fail)                                                                                                               \
    /* loads.c */                                                                                                                 \
    X(load_int8) X(load_int16) X(load_int32) X(load_int64) X(load_uint8) X(load_uint16) X(load_uint32) X(load_uint64)             \
    X(load_float32) X(load_float64) X(load_bool) X(load_text) X(load_large_text) X(load_null)                                     \
    X(load_float16) X(load_fixed_bytes) X(load_decimal) X(load_date32) X(load_date64) X(load_time) X(load_moment)                 \
    X(set_number) X(set_bool) X(set_text) X(set_decimal) X(copy_number) X(copy_bool) X(copy_text) X(copy_decimal)                 \
    /* ints.c */                                                                                                                  \
    X(int_add) X(int_sub) X(int_mul) X(int_floordiv) X(int_mod) X(int_neg) X(int_abs) X(int_and) X(int_or) X(int_xor)             \
    X(int_shl) X(int_shr) X(int_pow) X(int_div) X(int_max) X(int_min) X(int_gcd) X(int_bits) X(int_sqrt)                                       \
    X(int_lt) X(int_le) X(int_eq) X(int_ne) X(int_gt) X(int_ge) X(int_truth) X(int_to_float) X(int_to_float_exact)                \
    /* floats.c */                                                                                                                \
    X(float_add) X(float_sub) X(float_mul) X(float_div) X(float_floordiv) X(float_mod) X(float_pow) X(float_neg) X(float_abs)     \
    X(float_max) X(float_min) X(float_lt) X(float_le) X(float_eq) X(float_ne) X(float_gt) X(float_ge) X(float_truth)              \
    X(float_to_int) X(float_round) X(float_floor) X(float_ceil) X(float_round_digits) X(float_function) X(float_atan2)            \
    X(float_length)                                                                                                               \
    /* masks.c */                                                                                                                 \
    X(bool_and) X(bool_and_not) X(bool_or) X(bool_xor) X(bool_not) X(bool_to_int)                                                 \
    X(select_number) X(select_bool) X(select_text) X(select_decimal)                                                              \
    /* texts.c, search.c */                                                                                                       \
    X(text_truth) X(text_eq) X(text_ne) X(text_lt) X(text_le) X(text_gt) X(text_ge) X(text_is)                                    \
    X(text_length) X(text_slice) X(text_index) X(text_upper) X(text_lower) X(text_strip) X(text_concat) X(text_repeat)            \
    X(text_contains) X(text_find) X(text_count) X(text_starts) X(text_ends) X(text_replace) X(text_isdigit) X(text_isalpha)       \
    X(text_isalnum) X(text_isspace) X(text_isupper) X(text_islower) X(text_part) X(text_title) X(text_capitalize) X(text_pad)      \
    /* lookup.c */                                                                                                                \
    X(find_text) X(find_int) X(take_number) X(take_bool) X(take_text)                                                             \
    /* formats.c */                                                                                                               \
    X(int_to_text) X(float_to_text) X(float_fixed) X(text_to_int) X(text_to_float) X(int_in_base) X(text_grouped) \
    /* times.c */                                                                                                                 \
    X(int_within) X(date_part) X(day_of_date) X(moment_to_text) X(text_to_moment) X(number_shift)                                 \
    /* bytes.c */                                                                                                                 \
    X(bytes_length) X(bytes_item) X(bytes_ascii) X(bytes_decode) X(bytes_hex)                                                     \
    /* letters.c */                                                                                                               \
    X(text_isascii) X(text_reverse) X(text_to_ord) X(ord_to_text) X(text_translate)                                               \
    /* parts.c */                                                                                                                 \
    X(text_words) X(text_divide) X(parts_slice) X(parts_sort)                                                                     \
    /* codecs.c, digests.c, digits.c */                                                                                           \
    X(bytes_to_base64) X(bytes_from_base64) X(bytes_from_hex) X(bytes_translate) X(bytes_digest) X(bytes_checksum)                \
    X(digits_check) X(digits_value) X(digits_mod)                                                                                 \
    /* decimals.c */                                                                                                              \
    X(decimal_add) X(decimal_sub) X(decimal_mul) X(decimal_neg) X(decimal_abs) X(decimal_lt) X(decimal_le) X(decimal_eq)          \
    X(decimal_ne) X(decimal_gt) X(decimal_ge) X(decimal_truth) X(int_to_decimal) X(decimal_widen) X(decimal_narrow)               \
    X(decimal_round) X(decimal_to_int) X(decimal_to_float) X(decimal_to_text)                                                          \
    /* patterns.c */                                                                                                              \
    X(pattern_find) X(pattern_group) X(pattern_mark) X(pattern_replace) X(pattern_all)                                            \
    /* json.c */                                                                                                                  \
    X(json_find)
