"""Names of people and companies, with addresses and numbers that belong to nobody.

E-mail addresses end in ``.example`` (RFC 2606). Telephone numbers are from the ranges that Ofcom,
the Bundesnetzagentur, PTS and NANPA keep for fiction; China keeps none, and the numbers here have
0 as the first digit of the subscriber, as no real one has.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

Spellings = Mapping[str, str]
"""A name to how it is written in an address."""

_MARKS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "o"})


def _latin(names: str) -> Spellings:
    return {name: _plain(name) for name in names.split()}


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.lower().translate(_MARKS))
    return letters.encode("ascii", "ignore").decode()


def _chinese(pairs: str) -> Spellings:
    return dict(pair.split("/") for pair in pairs.split())


@dataclass(frozen=True, slots=True)
class Culture:
    """How people and companies are named.

    :ivar person: pattern of a person's name.
    :ivar company: pattern of a company's name.
    :ivar words: what companies are called.
    :ivar trades: industry to the word for it in a company's name.
    """

    person: str
    women: Spellings
    men: Spellings
    families: Spellings
    company: str
    words: Spellings
    trades: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Market:
    """Where customers are, and who sells to them.

    :ivar team: key of the sales team.
    :ivar share: how many of a hundred customers are there.
    :ivar cities: city to the telephone numbers for fiction there, ``#`` a free digit.
    """

    region: str
    team: str
    share: int
    culture: Culture
    cities: Mapping[str, str]

    @property
    def is_chinese(self) -> bool:
        """True where people write Chinese."""
        return self.culture is _CHINESE


@dataclass(frozen=True, slots=True)
class Person:
    """:ivar sex: female or male."""

    name: str
    sex: str
    email: str
    phone: str


@dataclass(frozen=True, slots=True)
class Firm:
    """A company and where it is."""

    name: str
    market: Market
    industry: str
    city: str
    domain: str


INDUSTRIES = {
    "Manufacturing": 26,
    "Healthcare": 18,
    "Energy": 15,
    "Food": 14,
    "Education": 11,
    "IT": 9,
    "Finance": 7,
}
"""Industry to how many of a hundred customers are in it."""

_ENGLISH_TRADES = {
    "Manufacturing": "Precision",
    "Healthcare": "Clinics",
    "Energy": "Power",
    "Food": "Foods",
    "Education": "Academy",
    "IT": "Systems",
    "Finance": "Capital",
}

_CHINESE = Culture(
    person="{family}{given}",
    women=_chinese(
        "雅婷/yating 欣怡/xinyi 雨萱/yuxuan 晓燕/xiaoyan 丽华/lihua 梦琪/mengqi 佳宁/jianing"
        " 秋月/qiuyue 芷若/zhiruo 若兰/ruolan"
    ),
    men=_chinese(
        "建国/jianguo 志强/zhiqiang 子豪/zihao 俊峰/junfeng 天宇/tianyu 文博/wenbo 立群/liqun"
        " 国栋/guodong 一鸣/yiming 思远/siyuan"
    ),
    families=_chinese(
        "王/wang 李/li 张/zhang 刘/liu 陈/chen 杨/yang 黄/huang 赵/zhao 周/zhou 吴/wu 徐/xu 孙/sun"
        " 马/ma 朱/zhu 胡/hu 郭/guo 何/he 高/gao 林/lin 罗/luo"
    ),
    company="{city}{word}{trade}有限公司",
    words=_chinese(
        "橙屿/chengyu 松涧/songjian 白鹭湾/bailuwan 远岫/yuanxiu 星棠/xingtang 石榴桥/shiliuqiao"
        " 听澜/tinglan 青砚/qingyan 鹿野/luye 望舒/wangshu 竹隐/zhuyin 雁回/yanhui 知夏/zhixia"
        " 霁蓝/jilan 渡月/duyue 苔原/taiyuan 半山/banshan 砚池/yanchi 晴川/qingchuan 枕溪/zhenxi"
    ),
    trades={
        "Manufacturing": "精工",
        "Healthcare": "医疗",
        "Energy": "能源",
        "Food": "食品",
        "Education": "教育",
        "IT": "软件",
        "Finance": "金融服务",
    },
)
_GERMAN = Culture(
    person="{given} {family}",
    women=_latin("Katharina Lena Sabine Johanna Frieda Greta Heike Ulrike"),
    men=_latin("Lukas Matthias Florian Jürgen Sebastian Tobias Henrik Götz"),
    families=_latin(
        "Albrecht Baumann Dietrich Ebner Fuchs Grünwald Hartmann Jäger Köhler Lorenz Neumann"
        " Pfeiffer Richter Seidel Wagner Zimmermann"
    ),
    company="{word} {trade} GmbH",
    words=_latin(
        "Hollenried Steinlach Ostermühl Kranebach Falkenroth Wiesengrund Lindauen Eibental"
        " Moosberg Tannhof Rabenau Silberbach Hirschwald Zellerau"
    ),
    trades=_ENGLISH_TRADES
    | {"Healthcare": "Kliniken", "Energy": "Energie", "Education": "Lehrwerk"},
)
_BRITISH_OR_NORDIC = Culture(
    person="{given} {family}",
    women=_latin("Charlotte Fiona Harriet Imogen Nicola Elin Freja Ingrid Kajsa Sigrid"),
    men=_latin("Callum Edward Graham Nigel Rupert Anders Erik Mikkel Nils Søren"),
    families=_latin(
        "Ashworth Bennett Davies Fletcher Llewellyn Whitaker Andersson Bergström Dahl Ekman Holm"
        " Lundgren Nyström Östberg"
    ),
    company="{word} {trade} Group",
    words=_latin(
        "Alderbrook Thornwick Fenholt Larkmere Kestrelgate Nordlysa Fjellbro Isviken Granhamn"
        " Björkudde Pendrake Dunsfold Tallmark Skarholm"
    ),
    trades=_ENGLISH_TRADES,
)
_AMERICAN = Culture(
    person="{given} {family}",
    women=_latin("Alicia Brooke Danielle Heather Latoya Megan Rosa Sandra"),
    men=_latin("Andre Brandon Carlos Derek Jamal Kevin Luis Todd"),
    families=_latin(
        "Alvarez Boone Chambers Dawson Ellison Franklin Garcia Hendricks Jefferson Lopez Nguyen"
        " Patterson Sullivan Washington"
    ),
    company="{word} {trade} Inc.",
    words=_latin(
        "Cedarvane Bluemesa Harborline Ironcreek Prairiestone Redhollow Stillriver Tallpine"
        " Copperbend Foxglen Larchmont Millrace Sunderfield Windgap"
    ),
    trades=_ENGLISH_TRADES | {"Finance": "Financial", "Education": "College"},
)

MARKETS = (
    Market(
        "East China",
        "east-china",
        26,
        _CHINESE,
        {
            "上海": "+86210000####",
            "杭州": "+865710000####",
            "苏州": "+865120000####",
            "南京": "+86250000####",
        },
    ),
    Market(
        "South China",
        "south-china",
        18,
        _CHINESE,
        {"深圳": "+867550000####", "广州": "+86200000####", "厦门": "+865920000####"},
    ),
    Market(
        "DACH",
        "dach",
        20,
        _GERMAN,
        {
            "Berlin": "+493023125###",
            "München": "+498999998###",
            "Hamburg": "+494066969###",
            "Frankfurt": "+496990009###",
        },
    ),
    Market(
        "UK & Nordics",
        "uk-nordics",
        14,
        _BRITISH_OR_NORDIC,
        {
            "London": "+442079460###",
            "Leeds": "+441134960###",
            "Stockholm": "+468465004##",
            "Göteborg": "+463139006##",
        },
    ),
    Market(
        "North America",
        "north-america",
        22,
        _AMERICAN,
        {
            "Chicago": "+131255501##",
            "Boston": "+161755501##",
            "Houston": "+171355501##",
            "Seattle": "+120655501##",
            "Toronto": "+141655501##",
        },
    ),
)


class Names:
    """Makes up people and companies; no two companies have one name, no two people one number."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._firms: set[str] = set()
        self._numbers: Counter[str] = Counter()

    def firm(self) -> Firm:
        """A company somewhere, in some industry."""
        while True:
            market = self._chance.choices(MARKETS, [market.share for market in MARKETS])[0]
            industry = self._chance.choices(list(INDUSTRIES), list(INDUSTRIES.values()))[0]
            culture = market.culture
            city = self._chance.choice(list(market.cities))
            word = self._chance.choice(list(culture.words))
            name = culture.company.format(city=city, word=word, trade=culture.trades[industry])
            if name not in self._firms:
                self._firms.add(name)
                domain = f"{culture.words[word]}-{industry.lower()}.example"
                return Firm(name, market, industry, city, domain)

    def person(self, firm: Firm) -> Person:
        """Somebody who works there."""
        culture = firm.market.culture
        sex = self._chance.choice(("female", "male"))
        givens = culture.women if sex == "female" else culture.men
        given = self._chance.choice(list(givens))
        family = self._chance.choice(list(culture.families))
        name = culture.person.format(given=given, family=family)
        email = f"{givens[given]}.{culture.families[family]}@{firm.domain}"
        return Person(name, sex, email, self.phone(firm))

    def phone(self, firm: Firm) -> str:
        """A number in the firm's city that was not given out yet."""
        numbers = firm.market.cities[firm.city]
        self._numbers[numbers] += 1
        free = numbers.count("#")
        return f"{numbers.rstrip('#')}{self._numbers[numbers]:0{free}d}"
