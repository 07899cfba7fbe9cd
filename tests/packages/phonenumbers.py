# /// script
# dependencies = [
#     "phonenumbers==9.0.14",
# ]
# ///
import phonenumbers

number = phonenumbers.parse("030 123456", "DE")
print(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
