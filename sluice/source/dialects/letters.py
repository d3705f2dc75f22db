"""The letters beyond ASCII of languages, the most frequent first, and the encodings that files in them come in.

The orders are rough: they decide between encodings that give a byte a letter of another language.
"""

# ruff: noqa: RUF001 - letters of other alphabets are meant
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Encoding:
    """An encoding.

    Attributes:
        languages: the letters of each language that is written in it.
        bonus: how much likelier it is than others before a byte was seen, as a logarithm.
        of_words: whether the letters make up whole words, as those of no Latin alphabet do.
    """

    name: str
    languages: tuple[str, ...]
    bonus: float = 0.0
    of_words: bool = False


_GERMAN, _FRENCH, _SPANISH, _PORTUGUESE = "üäößé", "éèàêçâîôûùëïœ", "óíáéñúü", "ãçáéíóêõâôúàü"
_ITALIAN, _CATALAN, _DUTCH = "àèéìòùî", "àèéíïóòúüç", "ëéïèöüóê"
_SWEDISH, _DANISH, _ICELANDIC = "äöåéü", "øæåéöä", "áðíéóúýþæö"
_WESTERN = (
    *(_GERMAN, _FRENCH, _SPANISH, _PORTUGUESE, _ITALIAN, _CATALAN, _DUTCH, _SWEDISH, _DANISH),
    "áéíóú",  # Irish
    "äõöüšž",  # Estonian
)
_CZECH, _SLOVAK, _POLISH = "íáéěřšýžčůúňťďóü", "áíéýúžčšľťôňäďóĺŕ", "łóążęśćńź"
_HUNGARIAN, _CROATIAN, _ROMANIAN = "áéőóöíüúű", "čšžćđ", "ăşţâî"
_CENTRAL = (_CZECH, _SLOVAK, _POLISH, _HUNGARIAN, _CROATIAN, _ROMANIAN, _GERMAN)
_TURKISH = ("ıüşğöçİâî",)
_BALTIC = ("ėšžųūįąęč", "āīēūšņļžčķģ", "äõöüšž")
_CYRILLIC = (
    "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё",
    "оанівиертслкмудпзябьгйчшхцжїюєґщф",
    "аиоентрсвлкдпмзугяъбчхйцжщфшью",
    "аоиенртсвлкујдпмзгбчшцжхњфљћђџ",
)
_GREEK = ("αοιετσνηυρπκμλςίάγόέδήωχθφβύώξζψϊϋ",)
_HEBREW = ("יוהלארתבמשנחדפקעכטגצסזםןךףץ",)
_ARABIC = ("اليمنرتبوةعدسفهكقحجشطصخضذزغثءئىؤأإآظ",)

# Those of Windows before older ones of the same letters; the first of equals is taken.
ENCODINGS = (
    Encoding("cp1252", _WESTERN, 0.3),
    Encoding("cp1252", (_ICELANDIC,), -0.3),  # its letters stand where those of Turkish do
    Encoding("cp1250", _CENTRAL),
    Encoding("cp1251", _CYRILLIC, 0.0, of_words=True),
    Encoding("cp1253", _GREEK, 0.0, of_words=True),
    Encoding("cp1254", _TURKISH),
    Encoding("cp1255", _HEBREW, -0.1, of_words=True),
    Encoding("cp1256", _ARABIC, -0.1, of_words=True),
    Encoding("cp1257", _BALTIC, -0.1),
    Encoding("iso8859_2", _CENTRAL, -0.1),
    Encoding("iso8859_5", _CYRILLIC, -0.2, of_words=True),
    Encoding("koi8_u", _CYRILLIC, -0.1, of_words=True),
    Encoding("cp866", _CYRILLIC, -0.2, of_words=True),
    Encoding("cp850", _WESTERN, -0.3),
    Encoding("cp852", _CENTRAL, -0.4),
    Encoding("mac_roman", _WESTERN, -0.4),
)
# More than one byte a letter: the first bytes of the frequent ones.
OF_THE_EAST = {
    "cp932": ((0x82, 0x83), (0x88, 0x97)),
    "euc_kr": ((0xB0, 0xC8),),
    "gb18030": ((0xB0, 0xD7),),
    "big5": ((0xA4, 0xC6),),
    "euc_jp": ((0xA4, 0xA5), (0xB0, 0xCF)),
}
# Signs that stand in texts of any language; the second ones never before a letter.
SIGNS, SIGNS_AFTER = "€°§µ–—‘’“”„…•·«»¿¡×÷±№´ºª&\xa0\xad", "£¥¢²³¹½¼¾©®™†‡‰¨¸¶"
