/* The proleptic Gregorian calendar, in days since 1970-01-01. */
#ifndef VIVARIUM_CALENDAR_H
#define VIVARIUM_CALENDAR_H

#include <stdint.h>

#define VV_MICROS_PER_SECOND INT64_C(1000000)
#define VV_SECONDS_PER_DAY INT64_C(86400)
#define VV_MICROS_PER_DAY (VV_SECONDS_PER_DAY * VV_MICROS_PER_SECOND)
#define VV_FIRST_DAY (-719162) /* 0001-01-01 */
#define VV_LAST_DAY 2932896    /* 9999-12-31 */

static inline int64_t vv_divide_down(int64_t a, int64_t b, int64_t *remainder) {
    int64_t quotient = a / b, rest = a % b;
    if (rest < 0) quotient--, rest += b;
    *remainder = rest;
    return quotient;
}

/* The calendar in years that begin in March, so that the leap day is a year's last; eras of 400 years repeat exactly. */
static inline void vv_date_of_day(int64_t day, int *year, int *month, int *day_of_month) {
    int64_t day_of_era, era = vv_divide_down(day + 719468, 146097, &day_of_era);
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march_month = (5 * day_of_year + 2) / 153;
    *day_of_month = (int)(day_of_year - (153 * march_month + 2) / 5 + 1);
    *month = (int)(march_month < 10 ? march_month + 3 : march_month - 9);
    *year = (int)(year_of_era + era * 400 + (*month <= 2));
}

static inline int64_t vv_day_of_date(int year, int month, int day_of_month) {
    int64_t year_of_era, era = vv_divide_down(year - (month <= 2), 400, &year_of_era);
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day_of_month - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

#endif
