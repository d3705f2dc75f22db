"""The encoding of a text that is not UTF-8 is found by its letters; what they do not decide is said."""

# ruff: noqa: RUF001 - letters of other alphabets are meant
from __future__ import annotations

import pytest

from sluice.source.dialects.encoding import encoding_of

TOWNS = {
    "cp1252": (
        "München,Köln,Düsseldorf,Straße",
        "élève,garçon,Besançon,œuvre – 5 €",
        "Málaga,A Coruña,Cádiz,Logroño",
        "São Paulo,Brasília,Goiânia,Maceió",
        "Malmö,Göteborg,Västerås,Örebro",
        "Århus,Ærø,Tønder,Næstved",
        "JYVÄSKYLÄ,HÄMEENLINNA",
        "Forlì,Cantù,Patù",
        "José,Ann,Bob",
        "5 °C,3 m²,8 µm,5 €,it’s “x”",
    ),
    "cp1250": (
        "Plzeň,České Budějovice,Ústí,příliš,Žďár",
        "Łódź,Kraków,Wrocław,Gdańsk,Białystok",
        "Győr,Székesfehérvár,Hódmezővásárhely",
        "Šibenik,Čakovec,Požega,Đakovo,Poreč",
        "Timişoara,Iaşi,Braşov,Constanţa",
    ),
    "cp1251": ("Москва,Казань,Пермский край", "МОСКВА,КАЗАНЬ,ПЕРМЬ", "Київ,Львів,Харків"),
    "cp1253": ("Αθήνα,Πάτρα,Λάρισα,Θεσσαλονίκη",),
    "cp1254": ("İstanbul,İzmir,Diyarbakır,Muğla,Ağrı",),
    "cp1255": ("ירושלים,תל אביב,חיפה,באר שבע",),
    "cp1256": ("القاهرة,الرياض,دبي",),
    "cp1257": ("Šiauliai,Klaipėda,Panevėžys,Kėdainiai",),
    "iso8859_2": ("Příbram,Šumperk,Žďár,Děčín,Třebíč",),
    "koi8_u": ("Москва,Казань,Пермский край",),
    "cp850": ("München,Café,Niño,Köln",),
    "cp852": ("Łódź,Kraków,Wrocław,Gdańsk",),
    "mac_roman": ("München,Café,Niño",),
    "cp932": ("東京,大阪,横浜市,名古屋",),
    "gb18030": ("北京,上海,广州,深圳市",),
    "euc_kr": ("서울특별시,부산,대구",),
}


@pytest.mark.parametrize(("encoding", "towns"), [(name, each) for name, texts in TOWNS.items() for each in texts])
def test_the_letters_of_a_language_show_the_encoding(encoding: str, towns: str) -> None:
    data = "id;town\n" + "".join(f"{n};{town}\n" for n, town in enumerate(towns.split(",")))
    found = encoding_of(data.encode(encoding))
    assert data.encode(encoding).decode(found.name) == data


@pytest.mark.parametrize(
    ("towns", "encoding", "other"),
    [
        ("Győr,Hódmezővásárhely,Fertőd", "cp1250", "cp1252"),  # õ stands where ő does
        ("São Paulo,Zürich,Malmö,Reykjavík,Québec", "cp1252", "cp1250"),  # of no single language
    ],
)
def test_another_encoding_that_fits_is_named(towns: str, encoding: str, other: str) -> None:
    assert other in encoding_of(towns.replace(",", "\n").encode(encoding)).others


@pytest.mark.parametrize("towns", ["München,Köln", "Malmö,Göteborg,Västerås", "Москва,Казань,Пермский край,Омск"])
def test_no_other_encoding_is_named_where_none_reads_other_words_as_well(towns: str) -> None:
    encoding = "cp1251" if towns.startswith("М") else "cp1252"
    assert encoding_of(towns.replace(",", "\n").encode(encoding)).others == ()


@pytest.mark.parametrize("word", ["NUÑEZ", "NUÑOA", "Äbo"])
def test_one_letter_far_down_is_of_no_language_with_thousands_of_them(word: str) -> None:
    shapes = "\n".join(f"POLYGON (({'1.5 2.5, ' * 1000}1 2)),{n}" for n in range(20))
    assert encoding_of(f"shape,town\n{shapes}\n{word}".encode("cp1252")).name == "cp1252"


@pytest.mark.parametrize("text", ["id,name\n1,Ann\n", "id,name\n1,José\n2,Zoë\n"])
def test_utf8_is_utf8(text: str) -> None:
    assert encoding_of(text.encode()).name == "utf-8"
