/* Dates, times, timestamps, durations and intervals, to and from the objects of the datetime module.
 *
 * Everything is counted from 1970-01-01 in the proleptic Gregorian calendar, as in Arrow and in datetime, so dates before 1970
 * and after 2038 need no care beyond division that rounds down. A value that the other side cannot hold exactly is an error.
 */
#include "calendar.h"
#include "vivarium.h"

#include <datetime.h>

int vv_temporal_prepare(void) {
    PyDateTime_IMPORT;
    return PyDateTimeAPI == NULL ? -1 : 0;
}

/* ---- Reading ---- */

static PyObject *make_date(const vv_column *column, int64_t row, int64_t day) {
    int year, month, day_of_month;
    if (day < VV_FIRST_DAY || day > VV_LAST_DAY) return vv_unreadable(column, row, "its year is outside 1 to 9999");
    vv_date_of_day(day, &year, &month, &day_of_month);
    return PyDate_FromDate(year, month, day_of_month);
}

static PyObject *read_date32(const vv_column *column, int64_t row) {
    return make_date(column, row, ((const int32_t *)column->values)[row]);
}

static PyObject *read_date64(const vv_column *column, int64_t row) {
    int64_t rest, day = vv_divide_down(((const int64_t *)column->values)[row], VV_SECONDS_PER_DAY * 1000, &rest);
    return rest != 0 ? vv_unreadable(column, row, "it is not a whole day") : make_date(column, row, day);
}

/* Whole microseconds of a count of units; false when it has finer parts or does not fit. */
static bool micros_of_units(int64_t value, int64_t units_per_second, int64_t *micros) {
    if (units_per_second <= VV_MICROS_PER_SECOND)
        return !__builtin_mul_overflow(value, VV_MICROS_PER_SECOND / units_per_second, micros);
    int64_t rest;
    *micros = vv_divide_down(value, units_per_second / VV_MICROS_PER_SECOND, &rest);
    return rest == 0;
}

static PyObject *read_time(const vv_column *column, int64_t row) {
    int64_t value = column->type->width == 4 ? ((const int32_t *)column->values)[row] : ((const int64_t *)column->values)[row];
    int64_t micros;
    if (!micros_of_units(value, column->type->units_per_second, &micros))
        return vv_unreadable(column, row, "datetime.time has no nanoseconds");
    if (micros < 0 || micros >= VV_MICROS_PER_DAY) return vv_unreadable(column, row, "it is not within a day");
    int64_t seconds = micros / VV_MICROS_PER_SECOND;
    return PyTime_FromTime((int)(seconds / 3600), (int)(seconds / 60 % 60), (int)(seconds % 60), (int)(micros % VV_MICROS_PER_SECOND));
}

static PyObject *in_zone(const vv_column *column, int64_t row, PyObject *utc) {
    PyObject *local = PyObject_CallMethod(column->type->zone, "fromutc", "N", utc);
    if (local != NULL || !(PyErr_ExceptionMatches(PyExc_OverflowError) || PyErr_ExceptionMatches(PyExc_ValueError))) return local;
    PyErr_Clear();
    return vv_unreadable(column, row, "its year is outside 1 to 9999");
}

static PyObject *read_timestamp(const vv_column *column, int64_t row) {
    const vv_type *type = column->type;
    int64_t value = ((const int64_t *)column->values)[row], units = type->units_per_second, rest, second_of_day;
    int64_t second = vv_divide_down(value, units, &rest), day = vv_divide_down(second, VV_SECONDS_PER_DAY, &second_of_day);
    if (units > VV_MICROS_PER_SECOND && rest % (units / VV_MICROS_PER_SECOND) != 0)
        return vv_unreadable(column, row, "datetime has no nanoseconds");
    if (day < VV_FIRST_DAY || day > VV_LAST_DAY) return vv_unreadable(column, row, "its year is outside 1 to 9999");
    int64_t micros = units <= VV_MICROS_PER_SECOND ? rest * (VV_MICROS_PER_SECOND / units) : rest / (units / VV_MICROS_PER_SECOND);
    int year, month, day_of_month, of_day = (int)second_of_day;
    vv_date_of_day(day, &year, &month, &day_of_month);
    PyObject *zone = type->zone != NULL ? type->zone : Py_None;
    PyObject *stamp = PyDateTimeAPI->DateTime_FromDateAndTime(year, month, day_of_month, of_day / 3600, of_day / 60 % 60, of_day % 60,
                                                              (int)micros, zone, PyDateTimeAPI->DateTimeType);
    if (stamp == NULL || zone == Py_None || zone == PyDateTime_TimeZone_UTC) return stamp;
    return in_zone(column, row, stamp);
}

static PyObject *read_duration(const vv_column *column, int64_t row) {
    int64_t value = ((const int64_t *)column->values)[row], units = column->type->units_per_second, rest, second_of_day;
    int64_t second = vv_divide_down(value, units, &rest), day = vv_divide_down(second, VV_SECONDS_PER_DAY, &second_of_day);
    if (units > VV_MICROS_PER_SECOND && rest % (units / VV_MICROS_PER_SECOND) != 0)
        return vv_unreadable(column, row, "timedelta has no nanoseconds");
    if (day < -999999999 || day > 999999999) return vv_unreadable(column, row, "it is longer than timedelta's 999999999 days");
    int64_t micros = units <= VV_MICROS_PER_SECOND ? rest * (VV_MICROS_PER_SECOND / units) : rest / (units / VV_MICROS_PER_SECOND);
    return PyDelta_FromDSU((int)day, (int)second_of_day, (int)micros);
}

typedef struct {
    int32_t months, days;
    int64_t nanoseconds;
} interval;

static PyObject *read_interval(const vv_column *column, int64_t row) {
    const interval *value = (const interval *)column->values + row;
    PyObject *constructor = column->type->constructor;
    if (constructor == NULL) return Py_BuildValue("(iiL)", value->months, value->days, (long long)value->nanoseconds);
    return PyObject_CallFunction(constructor, "iiL", value->months, value->days, (long long)value->nanoseconds);
}

vv_reader vv_temporal_reader_of(const vv_type *type) {
    switch (type->kind) {
    case VV_DATE32: return read_date32;
    case VV_DATE64: return read_date64;
    case VV_TIME32:
    case VV_TIME64: return read_time;
    case VV_TIMESTAMP: return read_timestamp;
    case VV_DURATION: return read_duration;
    default: return read_interval;
    }
}

/* ---- Writing ---- */

static int write_date(vv_builder *builder, PyObject *value) {
    if (!PyDate_Check(value) || PyDateTime_Check(value))
        return vv_misfit(builder, value, PyDateTime_Check(value) ? "a date is expected; .date() makes one" : "a datetime.date is expected");
    int64_t day = vv_day_of_date(PyDateTime_GET_YEAR(value), PyDateTime_GET_MONTH(value), PyDateTime_GET_DAY(value));
    if (builder->type->kind == VV_DATE32) ((int32_t *)builder->values.data)[builder->length] = (int32_t)day;
    else ((int64_t *)builder->values.data)[builder->length] = day * VV_SECONDS_PER_DAY * 1000;
    builder->length++;
    return 0;
}

/* Microseconds in the builder's unit; a misfit when it would lose precision or overflow. */
static int units_of_micros(vv_builder *builder, PyObject *value, int64_t micros, int64_t *units) {
    int64_t per_second = builder->type->units_per_second, rest;
    if (per_second > VV_MICROS_PER_SECOND) {
        if (__builtin_mul_overflow(micros, per_second / VV_MICROS_PER_SECOND, units))
            return vv_misfit(builder, value, "it is outside what 64 bits of this unit can hold");
        return 0;
    }
    *units = vv_divide_down(micros, VV_MICROS_PER_SECOND / per_second, &rest);
    return rest == 0 ? 0 : vv_misfit(builder, value, "it is finer than the type's unit");
}

static int append_units(vv_builder *builder, PyObject *value, int64_t micros) {
    int64_t units;
    VV_TRY(units_of_micros(builder, value, micros, &units));
    if (builder->type->width == 4) ((int32_t *)builder->values.data)[builder->length] = (int32_t)units;
    else ((int64_t *)builder->values.data)[builder->length] = units;
    builder->length++;
    return 0;
}

static int write_time(vv_builder *builder, PyObject *value) {
    if (!PyTime_Check(value)) return vv_misfit(builder, value, "a datetime.time is expected");
    if (PyDateTime_TIME_GET_TZINFO(value) != Py_None) return vv_misfit(builder, value, "a time without time zone is expected");
    int64_t seconds = PyDateTime_TIME_GET_HOUR(value) * 3600 + PyDateTime_TIME_GET_MINUTE(value) * 60 + PyDateTime_TIME_GET_SECOND(value);
    return append_units(builder, value, seconds * VV_MICROS_PER_SECOND + PyDateTime_TIME_GET_MICROSECOND(value));
}

/* Subclasses may be finer than datetime: pandas.Timestamp and pandas.Timedelta keep their nanoseconds beside, under these names. */
static int check_subclass(vv_builder *builder, PyObject *value, const char *name) {
    PyObject *finer;
    VV_TRY(PyObject_GetOptionalAttrString(value, name, &finer));
    int nonzero = finer == NULL ? 0 : PyObject_IsTrue(finer);
    Py_XDECREF(finer);
    VV_TRY(nonzero);
    return nonzero ? vv_misfit(builder, value, "its nanoseconds would be lost") : 0;
}

static int64_t delta_micros(PyObject *delta) {
    return (PyDateTime_DELTA_GET_DAYS(delta) * VV_SECONDS_PER_DAY + PyDateTime_DELTA_GET_SECONDS(delta)) * VV_MICROS_PER_SECOND +
           PyDateTime_DELTA_GET_MICROSECONDS(delta);
}

/* The value's offset from UTC in microseconds; *aware tells whether it has one. */
static int utc_offset(PyObject *value, bool *aware, int64_t *micros) {
    PyObject *zone = PyDateTime_DATE_GET_TZINFO(value);
    *micros = 0;
    *aware = zone != Py_None;
    if (zone == Py_None || zone == PyDateTime_TimeZone_UTC) return 0;
    PyObject *offset = PyObject_CallMethod(value, "utcoffset", NULL);
    if (offset == NULL) return -1;
    *aware = offset != Py_None;
    if (*aware && PyDelta_Check(offset)) *micros = delta_micros(offset);
    Py_DECREF(offset);
    return 0;
}

/* A time of NumPy's, which has a unit of its own. */
static int write_numpy_time(vv_builder *builder, PyObject *value) {
    PyObject *module = PyImport_ImportModule("vivarium._vectors");
    PyObject *units = module == NULL ? NULL : PyObject_CallMethod(module, "time_units", "OL", value, (long long)builder->type->units_per_second);
    Py_XDECREF(module);
    if (units == NULL) return -1;
    if (units == Py_None) {
        Py_DECREF(units);
        return vv_misfit(builder, value, "it is no time, outside what 64 bits of the type's unit can hold, or finer than that");
    }
    long long found = PyLong_AsLongLong(units);
    Py_DECREF(units);
    if (found == -1 && PyErr_Occurred()) return -1;
    ((int64_t *)builder->values.data)[builder->length++] = found;
    return 0;
}

static bool is_numpy(PyObject *value, const char *name) { return strcmp(Py_TYPE(value)->tp_name, name) == 0; }

/* Of NumPy, one without a zone: in a column with a zone it is the instant in UTC, as in arrays. */
static int write_timestamp(vv_builder *builder, PyObject *value) {
    bool aware;
    int64_t offset;
    if (is_numpy(value, "numpy.datetime64")) return write_numpy_time(builder, value);
    if (!PyDateTime_Check(value)) return vv_misfit(builder, value, "a datetime.datetime is expected");
    if (!PyDateTime_CheckExact(value)) VV_TRY(check_subclass(builder, value, "nanosecond"));
    VV_TRY(utc_offset(value, &aware, &offset));
    if (aware && builder->type->zone == NULL)
        return vv_misfit(builder, value, "the type has no time zone; .replace(tzinfo=None) drops the value's");
    if (!aware && builder->type->zone != NULL)
        return vv_misfit(builder, value, "the type has a time zone and the value has none; .replace(tzinfo=...) gives it one");
    int64_t day = vv_day_of_date(PyDateTime_GET_YEAR(value), PyDateTime_GET_MONTH(value), PyDateTime_GET_DAY(value));
    int64_t seconds = day * VV_SECONDS_PER_DAY + PyDateTime_DATE_GET_HOUR(value) * 3600 + PyDateTime_DATE_GET_MINUTE(value) * 60 +
                      PyDateTime_DATE_GET_SECOND(value);
    return append_units(builder, value, seconds * VV_MICROS_PER_SECOND + PyDateTime_DATE_GET_MICROSECOND(value) - offset);
}

static int write_duration(vv_builder *builder, PyObject *value) {
    if (is_numpy(value, "numpy.timedelta64")) return write_numpy_time(builder, value);
    if (!PyDelta_Check(value)) return vv_misfit(builder, value, "a datetime.timedelta is expected");
    if (!PyDelta_CheckExact(value)) VV_TRY(check_subclass(builder, value, "nanoseconds"));
    /* 999999999 days are more microseconds than 64 bits hold. */
    int64_t days = PyDateTime_DELTA_GET_DAYS(value);
    if (days > 106751990 || days < -106751990) {
        int64_t units = builder->type->units_per_second, seconds = days * VV_SECONDS_PER_DAY + PyDateTime_DELTA_GET_SECONDS(value);
        int64_t rest = PyDateTime_DELTA_GET_MICROSECONDS(value);
        if (units > 1000) return vv_misfit(builder, value, "it is outside what 64 bits of this unit can hold");
        if (rest % (VV_MICROS_PER_SECOND / units) != 0) return vv_misfit(builder, value, "it is finer than the type's unit");
        ((int64_t *)builder->values.data)[builder->length++] = seconds * units + rest / (VV_MICROS_PER_SECOND / units);
        return 0;
    }
    return append_units(builder, value, delta_micros(value));
}

static int write_interval(vv_builder *builder, PyObject *value) {
    if (!PyTuple_Check(value) || PyTuple_GET_SIZE(value) != 3)
        return vv_misfit(builder, value, "a tuple (months, days, nanoseconds) is expected");
    int64_t parts[3];
    for (Py_ssize_t i = 0; i < 3; i++) {
        PyObject *part = PyTuple_GET_ITEM(value, i);
        int overflow;
        if (!PyLong_Check(part)) return vv_misfit(builder, value, "a tuple of three ints is expected");
        parts[i] = PyLong_AsLongLongAndOverflow(part, &overflow);
        if (overflow != 0 || (i < 2 && parts[i] != (int32_t)parts[i])) return vv_misfit(builder, value, "a part is out of range");
    }
    ((interval *)builder->values.data)[builder->length++] = (interval){(int32_t)parts[0], (int32_t)parts[1], parts[2]};
    return 0;
}

vv_writer vv_temporal_writer_of(const vv_type *type) {
    switch (type->kind) {
    case VV_DATE32:
    case VV_DATE64: return write_date;
    case VV_TIME32:
    case VV_TIME64: return write_time;
    case VV_TIMESTAMP: return write_timestamp;
    case VV_DURATION: return write_duration;
    default: return write_interval;
    }
}
