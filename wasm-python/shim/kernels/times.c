/* Dates as days since 1970-01-01; times, datetimes and timedeltas as microseconds. Most of what is done with them is done by ints.c. */
#include "../calendar.h"
#include "operands.h"

/* Rows outside of the two ints in the program's data are the interpreter's. */
void vv_k_int_within(const vv_op *op, vv_block *block) {
    const int64_t *restrict x = block->slots[op->a];
    int64_t bounds[2];
    memcpy(bounds, block->program->data + op->constant, sizeof bounds);
    const int64_t low = bounds[0], high = bounds[1];
    uint64_t any = 0;
    VV_VECTOR for VV_ROWS(i) any |= (uint64_t)((x[i] < low) | (x[i] > high));
    if (any == 0) return;
    const uint8_t *mask = vv_mask(op, block);
    for VV_ROWS(i) VV_FAIL_IF(i, (x[i] < low) | (x[i] > high));
}

/* A number and the offset of the interval that it is in. In the program's data, as int64: how many intervals there are, where each one
 * starts and where the last one ends, and the offsets. What is in none, or in one whose offset is the smallest int64, is the interpreter's. */
void vv_k_number_shift(const vv_op *op, vv_block *block) {
    const int64_t *x = block->slots[op->a], *table = (const int64_t *)(block->program->data + op->constant);
    const int64_t count = table[0], *starts = table + 1, *offsets = starts + count + 1;
    int64_t *to = block->slots[op->to], k = 0; /* the interval of the row before, which is that of most */
    const uint8_t *mask = vv_mask(op, block);
    for VV_ROWS(i) {
        to[i] = 0;
        if (x[i] < starts[0] || x[i] >= starts[count]) {
            VV_FAIL_IF(i, true);
            continue;
        }
        if (x[i] < starts[k] || x[i] >= starts[k + 1]) {
            int64_t high = count;
            for (k = 0; high - k > 1;) {
                const int64_t middle = k + (high - k) / 2;
                if (starts[middle] <= x[i]) k = middle;
                else high = middle;
            }
        }
        VV_FAIL_IF(i, offsets[k] == INT64_MIN);
        to[i] = offsets[k] == INT64_MIN ? 0 : x[i] + offsets[k];
    }
}

/* Rows that do not count may have any number: those of no date become one. */
static inline int64_t a_day(int64_t day) { return day < VV_FIRST_DAY || day > VV_LAST_DAY ? 0 : day; }

/* extra: 0: year, 1: month, 2: day */
void vv_k_date_part(const vv_op *op, vv_block *block) {
    const int64_t *x = block->slots[op->a];
    int64_t *to = block->slots[op->to];
    for VV_ROWS(i) {
        int parts[3];
        vv_date_of_day(a_day(x[i]), &parts[0], &parts[1], &parts[2]);
        to[i] = parts[op->extra];
    }
}

static int days_of_month(int64_t year, int64_t month) {
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

static bool is_date(int64_t year, int64_t month, int64_t day) {
    return year >= 1 && year <= 9999 && month >= 1 && month <= 12 && day >= 1 && day <= days_of_month(year, month);
}

/* The day of a year, a month and a day of that. */
void vv_k_day_of_date(const vv_op *op, vv_block *block) {
    const int64_t *years = block->slots[op->a], *months = block->slots[op->b], *days = block->slots[op->c];
    int64_t *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    for VV_ROWS(i) {
        const bool exists = is_date(years[i], months[i], days[i]);
        to[i] = exists ? vv_day_of_date((int)years[i], (int)months[i], (int)days[i]) : 0;
        VV_FAIL_IF(i, !exists);
    }
}

/* ---- Text ----
 *
 * A form is the constant text; these bytes of it stand for parts, all others for themselves. FRACTION is digits of a second where parsed,
 * and six of them where written. */
enum { YEAR = 1, MONTH, DAY, HOUR, MINUTE, SECOND, FRACTION, FRACTION_IF_ANY, ISO_TIME, LATE_YEAR };

static uint8_t *put_number(uint8_t *to, int number, int digits) {
    for (int k = digits; k-- > 0; number /= 10) to[k] = (uint8_t)('0' + number % 10);
    return to + digits;
}

/* extra: 0: a is a date, 1: a datetime or a time. strftime() writes years before 1000 as the C library likes to: LATE_YEAR leaves them. */
void vv_k_moment_to_text(const vv_op *op, vv_block *block) {
    const int64_t *x = block->slots[op->a];
    const vv_text form = vv_constant_text(block, op->constant);
    vv_text *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    block->ascii[op->to] = 1;
    for VV_ROWS(i) {
        to[i] = VV_EMPTY;
        if (!VV_ACTIVE(i)) continue;
        uint8_t *start = vv_room(7 * (size_t)form.size), *end = start;
        int64_t micros = 0, day = op->extra == 0 ? x[i] : vv_divide_down(x[i], VV_MICROS_PER_DAY, &micros);
        int year, month, day_of_month;
        const int fraction = (int)(micros % VV_MICROS_PER_SECOND), second = (int)(micros / VV_MICROS_PER_SECOND);
        vv_date_of_day(a_day(day), &year, &month, &day_of_month);
        bool written = start != NULL;
        for (uint32_t k = 0; written && k < form.size; k++) {
            switch (form.at[k]) {
            case LATE_YEAR: written = year >= 1000; /* fall through */
            case YEAR: end = put_number(end, year, 4); break;
            case MONTH: end = put_number(end, month, 2); break;
            case DAY: end = put_number(end, day_of_month, 2); break;
            case HOUR: end = put_number(end, second / 3600, 2); break;
            case MINUTE: end = put_number(end, second / 60 % 60, 2); break;
            case SECOND: end = put_number(end, second % 60, 2); break;
            case FRACTION_IF_ANY:
                if (fraction == 0) break;
                *end++ = '.'; /* fall through */
            case FRACTION: end = put_number(end, fraction, 6); break;
            default: *end++ = form.at[k];
            }
        }
        if (start != NULL) vv_room_used(end);
        if (written) to[i] = (vv_text){start, (uint32_t)(end - start)};
        else block->fail[i] = 1;
    }
}

typedef struct {
    const uint8_t *at, *end;
    int parts[SECOND + 1];
    int64_t micros; /* of the second */
} parsed;

static bool take_number(parsed *from, int digits, int *number) {
    if (from->end - from->at < digits) return false;
    *number = 0;
    for (; digits > 0; digits--) {
        const uint8_t digit = (uint8_t)(*from->at++ - '0');
        if (digit > 9) return false;
        *number = *number * 10 + digit;
    }
    return true;
}

static bool take_byte(parsed *from, uint8_t byte) { return from->at < from->end && *from->at++ == byte; }

/* One digit to six. */
static bool take_fraction(parsed *from) {
    int count = 0;
    int64_t micros = 0;
    for (; count < 6 && from->at < from->end && (uint8_t)(*from->at - '0') <= 9; count++) micros = micros * 10 + (*from->at++ - '0');
    from->micros = micros;
    for (int k = count; k < 6; k++) from->micros *= 10;
    return count > 0;
}

/* What may follow the date in ISO's form, without a zone: nothing; a byte, hours and minutes; seconds; three or six digits of them. */
static bool take_iso_time(parsed *from) {
    if (from->at == from->end) return true;
    if (*from->at++ & 0x80) return false;
    if (!take_number(from, 2, &from->parts[HOUR]) || !take_byte(from, ':') || !take_number(from, 2, &from->parts[MINUTE])) return false;
    if (from->at == from->end) return true;
    if (!take_byte(from, ':') || !take_number(from, 2, &from->parts[SECOND])) return false;
    if (from->at == from->end) return true;
    const ptrdiff_t left = from->end - from->at;
    return (left == 4 || left == 7) && take_byte(from, '.') && take_fraction(from);
}

static bool parse(vv_text text, vv_text form, parsed *found) {
    *found = (parsed){text.at, text.at + text.size, {0}, 0};
    for (uint32_t k = 0; k < form.size; k++) {
        const uint8_t part = form.at[k];
        bool taken;
        if (part == FRACTION) taken = take_fraction(found);
        else if (part == ISO_TIME) taken = take_iso_time(found);
        else if (part <= SECOND) taken = take_number(found, part == YEAR ? 4 : 2, &found->parts[part]);
        else taken = take_byte(found, part);
        if (!taken) return false;
    }
    const int *parts = found->parts;
    if (found->at != found->end || !is_date(parts[YEAR], parts[MONTH], parts[DAY])) return false;
    return parts[HOUR] < 24 && parts[MINUTE] < 60 && parts[SECOND] < 60;
}

/* Of the form itself, with all digits of every part: other spellings, and what is none, are the interpreter's. extra: 0: a date,
 * 1: a datetime. */
void vv_k_text_to_moment(const vv_op *op, vv_block *block) {
    const vv_text *x = block->slots[op->a], form = vv_constant_text(block, op->constant);
    int64_t *to = block->slots[op->to];
    const uint8_t *mask = vv_mask(op, block);
    for VV_ROWS(i) {
        parsed found;
        to[i] = 0;
        if (!VV_ACTIVE(i)) continue;
        if (!parse(x[i], form, &found)) {
            block->fail[i] = 1;
            continue;
        }
        const int *parts = found.parts;
        const int64_t day = vv_day_of_date(parts[YEAR], parts[MONTH], parts[DAY]);
        const int64_t second = parts[HOUR] * 3600 + parts[MINUTE] * 60 + parts[SECOND];
        to[i] = op->extra == 0 ? day : (day * VV_SECONDS_PER_DAY + second) * VV_MICROS_PER_SECOND + found.micros;
    }
}
