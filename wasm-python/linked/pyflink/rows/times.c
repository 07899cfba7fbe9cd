/* Dates, times and datetimes as objects, as PyFlink's coders make and take them. What is out of their bounds, or of another type, is the
 * coder's to refuse or to take. */
#include "rows.h"

#include <datetime.h>

int rows_import_times(void) {
    PyDateTime_IMPORT;
    return PyDateTimeAPI == NULL ? -1 : 0;
}

/* ---- Reading ---- */

PyObject *rows_read_date(const rows_field *field, rows_input *in) {
    const uint8_t *start = in->at, *at = rows_take(in, 4);
    if (at == NULL) return NULL;
    const int32_t day = (int32_t)rows_big_endian(at, 4);
    int year, month, day_of_month;
    if (day < VV_FIRST_DAY || day > VV_LAST_DAY) {
        in->at = start;
        return rows_read_other(field, in);
    }
    vv_date_of_day(day, &year, &month, &day_of_month);
    return PyDate_FromDate(year, month, day_of_month);
}

PyObject *rows_read_time(const rows_field *field, rows_input *in) {
    const uint8_t *start = in->at, *at = rows_take(in, 4);
    if (at == NULL) return NULL;
    const uint32_t millis = (uint32_t)rows_big_endian(at, 4);
    const int seconds = (int)(millis / 1000);
    if (seconds >= VV_SECONDS_PER_DAY) {
        in->at = start;
        return rows_read_other(field, in);
    }
    return PyTime_FromTime(seconds / 3600, seconds / 60 % 60, seconds % 60, (int)(millis % 1000) * 1000);
}

PyObject *rows_read_timestamp(const rows_field *field, rows_input *in) {
    const uint8_t *start = in->at, *at = rows_take(in, (size_t)field->width);
    int64_t micros, of_day;
    if (at == NULL) return NULL;
    if (!rows_join_timestamp(at, field->width, &micros)) {
        in->at = start;
        return rows_read_other(field, in);
    }
    int year, month, day_of_month;
    vv_date_of_day(vv_divide_down(micros, VV_MICROS_PER_DAY, &of_day), &year, &month, &day_of_month);
    const int seconds = (int)(of_day / VV_MICROS_PER_SECOND);
    return PyDateTime_FromDateAndTime(year, month, day_of_month, seconds / 3600, seconds / 60 % 60, seconds % 60,
                                      (int)(of_day % VV_MICROS_PER_SECOND));
}

/* ---- Writing ---- */

static int put_number(rows_output *out, int64_t number, size_t size) {
    uint8_t *at = rows_put(out, size);
    if (at == NULL) return -1;
    rows_to_big_endian(at, size, (uint64_t)number);
    return 0;
}

static int64_t day_of(PyObject *value) {
    return vv_day_of_date(PyDateTime_GET_YEAR(value), PyDateTime_GET_MONTH(value), PyDateTime_GET_DAY(value));
}

int rows_write_date(const rows_field *field, PyObject *value, rows_output *out) {
    if (!PyDate_CheckExact(value) && !PyDateTime_CheckExact(value)) return rows_write_other(field, value, out);
    return put_number(out, day_of(value), 4);
}

int rows_write_time(const rows_field *field, PyObject *value, rows_output *out) {
    if (!PyTime_CheckExact(value)) return rows_write_other(field, value, out);
    const int64_t seconds = PyDateTime_TIME_GET_HOUR(value) * 3600 + PyDateTime_TIME_GET_MINUTE(value) * 60 + PyDateTime_TIME_GET_SECOND(value);
    return put_number(out, seconds * 1000 + PyDateTime_TIME_GET_MICROSECOND(value) / 1000, 4);
}

int rows_write_timestamp(const rows_field *field, PyObject *value, rows_output *out) {
    if (!PyDateTime_CheckExact(value)) return rows_write_other(field, value, out);
    const int64_t minutes = day_of(value) * 1440 + PyDateTime_DATE_GET_HOUR(value) * 60 + PyDateTime_DATE_GET_MINUTE(value);
    const int64_t micros = (minutes * 60 + PyDateTime_DATE_GET_SECOND(value)) * VV_MICROS_PER_SECOND + PyDateTime_DATE_GET_MICROSECOND(value);
    int64_t millis;
    uint32_t nanos;
    if (!rows_split_timestamp(micros, &millis, &nanos)) return rows_write_other(field, value, out);
    ROWS_TRY(put_number(out, millis, 8));
    return field->width == 12 ? put_number(out, nanos, 4) : 0;
}
