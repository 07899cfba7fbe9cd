"""Functions as jobs have them, for test_columns_of_jobs.py."""

import dataclasses
import datetime
import enum
import hashlib
import json
import math
import re
import typing
from decimal import Decimal

from vivarium import udf

COUNTRIES = {"de": "Germany", "fr": "France", "us": "United States"}
BRACKETS = [(10000, 0.0), (40000, 0.2), (90000, 0.35), (float("inf"), 0.45)]
PREFIXES = (("+49", "DE"), ("+33", "FR"), ("+1", "US"))
VOWELS = "aeiou"
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
NO_DIGITS = str.maketrans("", "", "0123456789")
RATE = Decimal("0.19")


class Level(enum.Enum):
    LOW = 1
    HIGH = 2


class Code(enum.IntEnum):
    OK = 200
    MISSING = 404


class Size(str, enum.Enum):
    SMALL = "small"
    LARGE = "large"


class Split(typing.NamedTuple):
    head: str
    size: int = 0


@dataclasses.dataclass
class Price:
    net: float
    gross: float
    label: str = "standard"


@dataclasses.dataclass(frozen=True, slots=True)
class Person:
    first: str
    last: str | None = None


class Config:
    LIMIT = 10
    NAME = "x"


@udf
def clean_phone(phone: str) -> str:
    digits = "".join(c for c in phone if c.isdigit())
    return "+1" + digits if len(digits) == 10 else "+" + digits


@udf
def clean_phone_regex(phone: str) -> str:
    digits = re.sub(r"\D", "", phone)
    if digits.startswith("00"):
        digits = digits[2:]
    return f"+{digits}" if digits else ""


@udf
def mask_email(email: str) -> str:
    name, at, domain = email.partition("@")
    if not at:
        return "***"
    return name[0] + "*" * (len(name) - 1) + "@" + domain


@udf
def mask_email_split(email: str) -> str:
    if "@" not in email:
        return email
    name, domain = email.split("@", 1)
    return name[:2] + "***@" + domain


@udf
def email_domain(email: str) -> str:
    return email.rsplit("@", 1)[-1].lower()


@udf
def tax(income: float) -> float:
    owed, lower = 0.0, 0.0
    for upper, rate in BRACKETS:
        if income > lower:
            owed += (min(income, upper) - lower) * rate
        lower = upper
    return round(owed, 2)


@udf
def category(amount: int) -> str:
    match amount:
        case 0:
            return "none"
        case 1 | 2 | 3:
            return "few"
        case n if n < 0:
            return "negative"
        case _:
            return "many"


@udf
def status_kind(status: str) -> int:
    match status:
        case "ok" | "done":
            return 1
        case "failed":
            return 2
    return 0


@udf
def slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


@udf
def slug_join(title: str) -> str:
    return "-".join(title.lower().split())


@udf
def first_word(text: str) -> str:
    return text.split()[0]


@udf
def word_count(text: str) -> int:
    return len(text.split())


@udf
def last_word(text: str) -> str | None:
    words = text.split()
    return words[-1] if words else None


@udf
def initials(name: str) -> str:
    return "".join(part[0].upper() for part in name.split())


@udf
def log_level(line: str) -> str:
    m = re.match(r"\[(\w+)\] (\d+) (.*)", line)
    if m is None:
        return "UNKNOWN"
    return m.group(1).upper()


@udf
def log_named(line: str) -> int:
    m = re.search(r"status=(?P<status>\d{3})", line)
    return int(m.group("status")) if m else 0


@udf
def quarter(day: datetime.date) -> str:
    return f"{day.year}-Q{(day.month - 1) // 3 + 1}"


@udf
def is_weekend(day: datetime.date) -> bool:
    return day.weekday() >= 5


@udf
def age(born: datetime.date) -> int:
    today = datetime.date(2024, 6, 1)
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


@udf
def week(day: datetime.date) -> int:
    return day.isocalendar()[1]


@udf
def month_name(day: datetime.date) -> str:
    return day.strftime("%B")


@udf
def us_date(text: str) -> str:
    return datetime.datetime.strptime(text, "%m/%d/%Y").strftime("%Y-%m-%d")


@udf
def haversine(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    lat1, lon1, lat2, lon2 = map(math.radians, (lat1, lon1, lat2, lon2))
    a = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 6371.0 * 2 * math.asin(math.sqrt(a))


@udf
def haversine_list(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    lat1, lon1, lat2, lon2 = [math.radians(v) for v in (lat1, lon1, lat2, lon2)]
    return math.cos(lat1) + math.cos(lat2) + lon1 + lon2


@udf
def luhn(number: str) -> bool:
    total = 0
    for i, c in enumerate(reversed(number)):
        digit = int(c)
        if i % 2 == 1:
            digit *= 2
            if digit > 9:
                digit -= 9
        total += digit
    return total % 10 == 0


@udf
def digit_sum(number: str) -> int:
    return sum(int(c) for c in number if c.isdigit())


@udf
def ean_ok(code: str) -> bool:
    if len(code) != 13 or not code.isdigit():
        return False
    total = sum(int(c) * (1 if i % 2 == 0 else 3) for i, c in enumerate(code[:12]))
    return (10 - total % 10) % 10 == int(code[12])


@udf
def bucket(key: str) -> int:
    return int(hashlib.md5(key.encode("utf-8")).hexdigest(), 16) % 100


@udf
def pseudonym(name: str) -> str:
    return hashlib.sha256(("salt" + name).encode()).hexdigest()[:16]


@udf
def padded(number: int) -> str:
    return "%05d" % number


@udf
def padded_f(number: int) -> str:
    return f"{number:05d}"


@udf
def thousands(number: int) -> str:
    return f"{number:,}"


@udf
def money(amount: float) -> str:
    return f"${amount:,.2f}"


@udf
def table_row(name: str, amount: float) -> str:
    return f"{name:<10}|{amount:>10.2f}"


@udf
def percent(part: float) -> str:
    return f"{part:.1%}"


@udf
def safe_int(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


@udf
def safe_float(text: str) -> float:
    try:
        return float(text.replace(",", ".").strip())
    except (ValueError, TypeError):
        return 0.0


@udf
def or_default(name: str | None) -> str:
    return (name or "unknown").strip().title()


@udf
def coalesce(a: str | None, b: str | None, c: str | None) -> str | None:
    for v in (a, b, c):
        if v:
            return v
    return None


@udf
def vowels(text: str) -> int:
    return sum(1 for c in text if c in VOWELS)


@udf
def vowels_sum(text: str) -> int:
    return sum(c in "aeiou" for c in text.lower())


@udf
def all_upper(text: str) -> bool:
    return all(c.isupper() or c == "_" for c in text)


@udf
def any_digit(text: str) -> bool:
    return any(c.isdigit() for c in text)


@udf
def any_prefix(phone: str) -> str:
    for prefix, country in PREFIXES:
        if phone.startswith(prefix):
            return country
    return "??"


@udf
def caesar(text: str) -> str:
    out = ""
    for c in text:
        if c.isalpha():
            out += chr((ord(c.lower()) - 97 + 3) % 26 + 97)
        else:
            out += c
    return out


@udf
def column_letter(n: int) -> str:
    return chr(ord("A") + n % 26)


@udf
def transliterated(text: str) -> str:
    return text.translate(UMLAUTS)


@udf
def without_digits(text: str) -> str:
    return text.translate(NO_DIGITS)


@udf
def reversed_text(text: str) -> str:
    return text[::-1]


@udf
def palindrome(text: str) -> bool:
    text = text.lower().replace(" ", "")
    return text == text[::-1]


@udf
def folded_equal(a: str, b: str) -> bool:
    return a.casefold() == b.casefold()


@udf
def key_value(text: str) -> str:
    key, _, value = text.partition("=")
    return f"{key.strip()}:{value.strip()}"


@udf
def file_extension(path: str) -> str:
    return path.rpartition(".")[2].lower()


@udf
def re_parts(text: str) -> str:
    return re.split(r"[,;]", text)[0]


@udf
def event_user(event: str) -> str:
    try:
        return json.loads(event)["user"]["id"]
    except (KeyError, ValueError):
        return "none"


@udf
def walrus(text: str) -> int:
    if (n := len(text)) > 10:
        return n
    return -n


@udf
def level(n: int) -> int:
    return Level.HIGH.value if n > 10 else Level.LOW.value


@udf
def code_of(n: int) -> bool:
    return n == Code.OK or n == Code.MISSING


@udf
def size_of(n: int) -> str:
    return Size.SMALL.value if n < 10 else Size.LARGE.value


@udf
def of_class(n: int) -> int:
    return min(n, Config.LIMIT)


@udf
def country_name(code: str) -> str:
    return COUNTRIES.get(code.strip().lower(), code)


@udf
def zipped(a: int, b: int, c: int) -> int:
    return sum(x * w for x, w in zip((a, b, c), (1, 2, 3)))


@udf
def weighted(a: float, b: float) -> float:
    return sum([a * 0.3, b * 0.7])


@udf
def clamp(x: float) -> float:
    return max(0.0, min(1.0, x))


@udf
def bmi(weight: float, height: float) -> str:
    v = weight / height ** 2
    return "under" if v < 18.5 else "normal" if v < 25 else "over"


@udf
def compound(amount: float, rate: float, years: int) -> float:
    for _ in range(years % 40):
        amount *= 1 + rate / 100
    return round(amount, 2)


@udf
def vat(amount: Decimal) -> Decimal:
    return (amount * (1 + RATE)).quantize(Decimal("0.01"))


@udf
def camel(text: str) -> str:
    return "".join(word.capitalize() for word in text.split("_"))


@udf
def swap_name(name: str) -> str:
    parts = [p.strip() for p in name.split(",")]
    return " ".join(reversed(parts)) if len(parts) == 2 else name


@udf
def query_param(url: str) -> str | None:
    for part in url.split("?")[-1].split("&"):
        if part.startswith("id="):
            return part[3:]
    return None


@udf
def host(url: str) -> str:
    return url.split("://")[-1].split("/")[0].split(":")[0]


@udf
def ip_class(ip: str) -> str:
    first = int(ip.split(".")[0])
    return "A" if first < 128 else "B" if first < 192 else "C"


@udf
def ip_number(ip: str) -> int:
    a, b, c, d = (int(p) for p in ip.split("."))
    return (a << 24) | (b << 16) | (c << 8) | d


@udf
def ip_number_map(ip: str) -> int:
    a, b, c, d = map(int, ip.split("."))
    return a * 16777216 + b * 65536 + c * 256 + d


@udf
def seconds(text: str) -> int:
    h, m, s = text.split(":")
    return int(h) * 3600 + int(m) * 60 + int(s)


@udf
def truncated(text: str) -> str:
    return text if len(text) <= 10 else text[:7] + "..."


@udf
def centered(text: str) -> str:
    return text.center(9, "*")


@udf
def yes_no(text: str | None) -> bool:
    return text is not None and text.strip().lower() in {"y", "yes", "true", "1"}


@udf
def rounded_half(x: float) -> int:
    return int(math.floor(x + 0.5))


@udf
def power(x: float) -> float:
    return math.pow(x, 2) + pow(x, 3)


@udf
def gcd(a: int, b: int) -> int:
    return math.gcd(a, b)


@udf
def is_ascii(text: str) -> bool:
    return text.isascii()


@udf
def hexed(n: int) -> str:
    return hex(n)[2:].zfill(4) + f"{n:x}"


@udf
def concat_fields(a: str | None, b: str | None) -> str:
    return "|".join(x for x in [a, b] if x is not None)


@udf
def squeezed(text: str) -> str:
    return " ".join(text.split())


@udf
def sanitized(text: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in text)


@udf
def elapsed(a: datetime.datetime, b: datetime.datetime) -> float:
    return (b - a).total_seconds() / 3600


@udf
def hour_bucket(t: datetime.datetime) -> datetime.datetime:
    return t.replace(minute=0, second=0, microsecond=0)


@udf
def month_start(t: datetime.date) -> datetime.date:
    return t.replace(day=1)


@udf
def dayname(t: datetime.date) -> str:
    return ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][t.weekday()]


@udf
def bits(n: int) -> int:
    return bin(n).count("1")


@udf
def leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


@udf
def fizz(n: int) -> str:
    if n % 15 == 0: return "FizzBuzz"
    if n % 5 == 0: return "Buzz"
    return "Fizz" if n % 3 == 0 else str(n)


@udf
def counted(text: str) -> int:
    counts = 0
    for word in text.split(" "):
        if word:
            counts += 1
    return counts


@udf
def marked(text: str) -> str:
    out = []
    for c in text:
        if c.isdigit():
            out.append("#")
        elif c.isalpha():
            out.append(c.upper())
    return "".join(out)


@udf
def long_words(text: str) -> str:
    words = []
    for word in text.split():
        if len(word) > 3:
            words.append(word.strip(".,!").lower())
    return " ".join(words) if words else "none"


@udf
def address(street: str, city: str | None) -> str:
    parts = []
    if street:
        parts.append(street.strip())
    if city is not None:
        parts.append(city)
    return ", ".join(parts)


@udf
def run_lengths(text: str) -> str:
    out, last, count = [], "", 0
    for c in text:
        if c == last:
            count += 1
        else:
            if count > 0:
                out.append(last + str(count))
            last, count = c, 1
    if count > 0:
        out.append(f"{last}{count}")
    return "".join(out)


@udf
def named(text: str) -> Split:
    if not text:
        return Split("empty")
    return Split(text[:3], size=len(text))


@udf
def priced(net: float, country: str | None) -> Price | None:
    if country is None:
        return None
    price = Price(net, round(net * 1.19, 2))
    if price.gross > 1000:
        return Price(price.net, price.gross, label="large")
    return price


@udf
def person(name: str) -> Person:
    first, _, last = name.strip().partition(" ")
    return Person(first.title(), last or None)


@udf
def unpacked(text: str) -> int:
    pair = Split(text, len(text))
    head, size = pair
    return size + len(pair.head) + pair[1] + len(head)


@udf
def abbreviated(text: str) -> str:
    words = text.split()
    if len(words) < 2:
        return text
    return words[0] + " " + ".".join(w[0] for w in words[1:]) + "."


@udf
def family_first(name: str) -> str:
    *first, last = name.split()
    return f"{last}, {' '.join(first)}"


@udf
def graded(grade: str) -> int:
    points = {"A": 4, "B": 3, "C": 2}
    return points[grade] if grade in points else points.get(grade.upper(), -1)


@udf
def in_groups(text: str) -> str:
    return "-".join(text[i : i + 4] for i in range(0, len(text), 4))


@udf
def readable_size(size: float) -> str:
    for unit in ("B", "KB", "MB"):
        if size < 1024:
            return f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GB"


@udf
def no_leading_zeros(text: str) -> str:
    while text.startswith("0"):
        text = text[1:]
    return text or "0"


@udf
def with_local_functions(x: int) -> int:
    factor = 2

    def scaled(y):
        return y * factor if y > 3 else y

    factor = 3
    return scaled(x) + (lambda y: y + factor)(x)
