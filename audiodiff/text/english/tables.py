"""Words behind short forms of written English: titles, abbreviations, units, currencies, symbols, names of kings."""

from audiodiff.text.phones import word_set

__all__ = [
    "ABBREVIATIONS",
    "ACRONYMS",
    "BEFORE_NAMES",
    "CURRENCIES",
    "CURRENCY_CODES",
    "DAYS",
    "GREEK",
    "INITIALISMS",
    "MONTHS",
    "NUMBERED",
    "REGNAL",
    "SCALES",
    "SYMBOLS",
    "UNITS",
    "WEB_WORDS",
]

MONTHS = {
    **{"january": 1, "february": 2, "march": 3, "april": 4, "may": 5, "june": 6, "july": 7, "august": 8},
    **{"september": 9, "october": 10, "november": 11, "december": 12},
}

DAYS = {
    **{"mon": "monday", "tue": "tuesday", "tues": "tuesday", "wed": "wednesday", "thu": "thursday"},
    **{"thur": "thursday", "thurs": "thursday", "fri": "friday", "sat": "saturday", "sun": "sunday"},
}
"""Short names of days; read as such before a date only, since "sat." and "sun." end sentences too."""

BEFORE_NAMES = {
    **{"mr": "mister", "mrs": "missus", "ms": "miz", "mx": "mix", "dr": "doctor", "prof": "professor"},
    **{"rev": "reverend", "hon": "honorable", "gen": "general", "col": "colonel", "sgt": "sergeant"},
    **{"capt": "captain", "lt": "lieutenant", "maj": "major", "cmdr": "commander", "adm": "admiral"},
    **{"cpl": "corporal", "pvt": "private", "gov": "governor", "sen": "senator", "rep": "representative"},
    **{"pres": "president", "messrs": "messers", "fr": "father", "mt": "mount", "ft": "fort", "st": "saint"},
}
"""Short forms that stand before a name."""

ABBREVIATIONS = {
    **{"jr": "junior", "sr": "senior", "esq": "esquire", "vs": "versus", "etc": "et cetera", "approx": "approximately"},
    **{"dept": "department", "est": "established", "inc": "incorporated", "ltd": "limited", "corp": "corporation"},
    **{"co": "company", "bros": "brothers", "ave": "avenue", "blvd": "boulevard", "rd": "road", "hwy": "highway"},
    **{"ln": "lane", "pl": "place", "sq": "square", "apt": "apartment", "vol": "volume", "vols": "volumes"},
    **{"ch": "chapter", "chap": "chapter", "pp": "pages", "fig": "figure", "figs": "figures", "eq": "equation"},
    **{"ed": "edition", "eds": "editors", "al": "al", "cf": "compare", "viz": "namely", "ca": "circa", "c": "circa"},
    **{"assn": "association", "asst": "assistant", "avg": "average", "cont": "continued", "div": "division"},
    **{"dist": "district", "govt": "government", "intl": "international", "max": "maximum", "min": "minimum"},
    **{"misc": "miscellaneous", "natl": "national", "orig": "originally", "tel": "telephone", "temp": "temperature"},
    **{"univ": "university", "yr": "year", "yrs": "years", "mo": "month", "wk": "week", "hr": "hour", "hrs": "hours"},
    **{"mins": "minutes", "sec": "second", "secs": "seconds", "no": "number", "nos": "numbers", "p": "page"},
    **{"jan": "january", "feb": "february", "mar": "march", "apr": "april", "jun": "june", "jul": "july"},
    **{"aug": "august", "sep": "september", "sept": "september", "oct": "october", "nov": "november"},
    **{
        "dec": "december",
        "mass": "massachusetts",
        "calif": "california",
        "conn": "connecticut",
        "penn": "pennsylvania",
    },
    **{"st": "street", "dr": "drive", "ft": "feet", "lb": "pounds", "lbs": "pounds", "oz": "ounces", "ph": "p h"},
}
"""Short forms that are written with a dot."""

NEED_NUMBER = word_set("ed eds c ca ch chap eq fig figs no nos p pp vol vols sec min mo wk max")
"""Short forms that are words or names when no number follows."""

NUMBERED = word_set(
    "chapter part act scene volume book section phase type war title article class bowl mark level grade stage "
    "figure table appendix season episode step unit group division apollo saturn item lesson number verse psalm "
    "canto"
)
"""Words that a Roman numeral counts: "chapter four"."""

REGNAL = word_set(
    "alexander alfonso augustus benedict boniface catherine charles christian clement constantine david edward "
    "elizabeth ferdinand francis frederick george gregory gustav henry innocent isabella ivan james john leo "
    "leopold louis ludwig mary nicholas otto paul peter philip pius ramesses rameses richard robert urban victor "
    "wilhelm william xavier"
)
"""Names that kings, queens and popes counted: "henry the eighth"."""

ACRONYMS = word_set(
    "nasa nato unesco unicef opec aids laser radar sonar scuba nafta fema osha darpa nascar ikea fifa uefa covid "
    "sars jpeg gif png ram rom sim pin bios ascii lan wan saas asap swat potus scotus yolo lol awol hipaa epcot "
    "nimby gestapo interpol cern esa asean moma pixar ted bafta wasp dos"
) - {"esa", "png"}
"""Written in capitals and read as words."""

INITIALISMS = word_set(
    "us usa uk eu un it ai tv cd dvd id am pm ad bc ce bce who irs la dc ny pr hr er ir ac pc mc dj dna rna fbi "
    "cia nba nfl cnn bbc ibm atm ceo cfo cto gps html http https www url usb cpu gpu api sql pdf faq diy phd md "
    "ba ma bs mit ucla nyu vip ufo suv rpm mph kph bmw kgb nsa gop wto imf hiv mri iq pta ro es ip os png esa icu "
    "lcd led lp tb gb mb kb"
)
"""Written in capitals and spelled out, though some of them are words in lower case."""

SCALES = {
    **{"k": "thousand", "m": "million", "mn": "million", "mm": "million", "b": "billion", "bn": "billion"},
    **{"t": "trillion", "tn": "trillion", "thousand": "thousand", "million": "million", "billion": "billion"},
    **{"trillion": "trillion", "hundred": "hundred"},
}

CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yen", "yen", "sen", "sen"),
    "₹": ("rupee", "rupees", "paisa", "paise"),
    "₩": ("won", "won", "jeon", "jeon"),
    "₽": ("ruble", "rubles", "kopeck", "kopecks"),
    "₿": ("bitcoin", "bitcoins", "satoshi", "satoshis"),
}
"""One and many of the whole and of its hundredth."""

CURRENCY_CODES = {"USD": "$", "GBP": "£", "EUR": "€", "JPY": "¥", "INR": "₹"}

UNITS = {
    **{"mm": "millimeter", "cm": "centimeter", "m": "meter", "km": "kilometer", "µm": "micrometer", "nm": "nanometer"},
    **{"mi": "mile", "yd": "yard", "yds": "yard", "ft": "foot", "in.": "inch", '"': "inch", "sq ft": "square foot"},
    **{"sq mi": "square mile", "m²": "square meter", "m2": "square meter", "km²": "square kilometer"},
    **{"km2": "square kilometer", "cm²": "square centimeter", "m³": "cubic meter", "m3": "cubic meter"},
    **{"cm³": "cubic centimeter", "mg": "milligram", "µg": "microgram", "g": "gram", "kg": "kilogram", "lb": "pound"},
    **{
        "lbs": "pound",
        "oz": "ounce",
        "ml": "milliliter",
        "mL": "milliliter",
        "l": "liter",
        "L": "liter",
        "cl": "centiliter",
    },
    **{
        "tsp": "teaspoon",
        "tbsp": "tablespoon",
        "gal": "gallon",
        "pt": "pint",
        "qt": "quart",
        "ha": "hectare",
        "ms": "millisecond",
        "µs": "microsecond",
    },
    **{"ns": "nanosecond", "s": "second", "sec": "second", "secs": "second", "min": "minute", "mins": "minute"},
    **{
        "h": "hour",
        "hr": "hour",
        "hrs": "hour",
        "Hz": "hertz",
        "kHz": "kilohertz",
        "MHz": "megahertz",
        "GHz": "gigahertz",
    },
    **{"THz": "terahertz", "W": "watt", "kW": "kilowatt", "MW": "megawatt", "GW": "gigawatt", "kWh": "kilowatt hour"},
    **{"V": "volt", "kV": "kilovolt", "mV": "millivolt", "A": "amp", "mA": "milliamp", "mAh": "milliamp hour"},
    **{"J": "joule", "kJ": "kilojoule", "N": "newton", "Pa": "pascal", "kPa": "kilopascal", "hPa": "hectopascal"},
    **{
        "bar": "bar",
        "cal": "calorie",
        "kcal": "kilocalorie",
        "dB": "decibel",
        "Ω": "ohm",
        "kB": "kilobyte",
        "KB": "kilobyte",
    },
    **{
        "MB": "megabyte",
        "GB": "gigabyte",
        "TB": "terabyte",
        "MiB": "mebibyte",
        "GiB": "gibibyte",
        "kbps": "kilobit per second",
    },
    **{
        "Mbps": "megabit per second",
        "Gbps": "gigabit per second",
        "Mbit/s": "megabit per second",
        "mph": "mile per hour",
    },
    **{
        "kph": "kilometer per hour",
        "km/h": "kilometer per hour",
        "kmh": "kilometer per hour",
        "m/s": "meter per second",
    },
    **{
        "m/s²": "meter per second squared",
        "fps": "frame per second",
        "rpm": "revolution per minute",
        "bpm": "beat per minute",
    },
    **{"mpg": "mile per gallon", "°C": "degree celsius", "°F": "degree fahrenheit", "° C": "degree celsius"},
    **{
        "° F": "degree fahrenheit",
        "°": "degree",
        "K": "kelvin",
        "px": "pixel",
        "MP": "megapixel",
        "ppm": "part per million",
    },
}
"""Unit signs and the words for one of them; case matters."""

SYMBOLS = {
    **{"&": "and", "+": "plus", "=": "equals", "×": "times", "÷": "divided by", "<": "less than", ">": "greater than"},
    **{
        "≤": "less than or equal to",
        "≥": "greater than or equal to",
        "≠": "is not equal to",
        "≈": "about",
        "±": "plus or minus",
    },
    **{"√": "square root of", "∞": "infinity", "→": "to", "%": "percent", "@": "at", "°": "degrees", "©": "copyright"},
    **{
        "®": "registered",
        "™": "trademark",
        "§": "section",
        "¶": "paragraph",
        "№": "number",
        "µ": "micro",
        "‰": "per mille",
    },
    **{"$": "dollars", "£": "pounds", "€": "euros", "¥": "yen", "₹": "rupees", "¢": "cents", "π": "pi", "~": "about"},
    **{"²": "squared", "³": "cubed", "¼": "one quarter", "½": "one half", "¾": "three quarters", "⅓": "one third"},
    **{"⅔": "two thirds", "⅛": "one eighth", "⅜": "three eighths", "⅝": "five eighths", "⅞": "seven eighths"},
    **{"⅕": "one fifth", "⅖": "two fifths", "⅗": "three fifths", "⅘": "four fifths", "⅙": "one sixth", "−": "minus"},
}

GREEK = {
    **{"α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta", "θ": "theta"},
    **{
        "ι": "iota",
        "κ": "kappa",
        "λ": "lambda",
        "μ": "mu",
        "ν": "nu",
        "ξ": "xi",
        "ο": "omicron",
        "π": "pi",
        "ρ": "rho",
    },
    **{"σ": "sigma", "τ": "tau", "υ": "upsilon", "φ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega"},
}

WEB_WORDS = {
    **{".": "dot", "/": "slash", "-": "dash", "_": "underscore", "@": "at", ":": "colon", "?": "question mark"},
    **{"=": "equals", "&": "and", "+": "plus", "#": "hash", "%": "percent", "~": "tilde"},
}
"""What the signs of web and mail addresses are called."""
