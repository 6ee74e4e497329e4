"""Customers of a made-up enterprise: Chinese and Western, with names as common as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random


def _words(text: str) -> list[str]:
    return text.split()


_CITIES = _words(
    "上海 北京 广州 深圳 杭州 苏州 成都 武汉 南京 天津 重庆 西安 长沙 青岛 宁波 无锡 郑州 "
    "佛山 东莞 合肥"
)
_BRAND_CHARACTERS = (
    "华明新中天金鑫宏盛恒瑞达泰康博远创海东方安信德诚源智云光星龙腾飞凯亿联美佳世纪国际大通和"
    "顺兴业隆昌富丽雅思维奥科力优品正元嘉禾景润丰永祥立邦铭锐峰宇鼎晟睿翔捷骏锦融泽裕"
)
_TRADES = _words(
    "科技 贸易 电子 信息技术 软件 机械 建筑工程 食品 医疗器械 物流 文化传媒 网络科技 商贸 "
    "实业 投资 教育咨询 新材料 环保 自动化 服装"
)
_FORMS = _words(
    "有限公司 有限公司 有限公司 有限公司 有限公司 股份有限公司 有限责任公司 集团 厂 中心"
)
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林郑谢罗梁宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程"
    "苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝"
    "龚邵万钱严覃武戴莫孔向汤"
)
_GIVEN = (
    "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂华玉红梅建国志文辉斌波宇浩然子轩梓涵欣怡"
    "雨泽思琪佳俊嘉豪晨曦天航一诺可馨雪婷清海燕晓东鹏飞春生永康家乐"
)
_FIRST_NAMES = _words(
    "James Mary John Anna Peter Laura Thomas Sophie Michael Emma Daniel Lena David Julia "
    "Martin Claire Paul Maria Jan Eva Robert Alice Kevin Nora Lukas Helen Mark Ingrid Oliver "
    "Zoë Qadir Yusuf Fatima Chidi Amara"
)
_LAST_NAMES = _words(
    "Smith Johnson Brown Miller Davis Wilson Moore Taylor Anderson Thomas Jackson White "
    "Harris Thompson Garcia Robinson Clark Lewis Lee Walker Hall Allen Young King Wright "
    "Scott Green Baker Adams Nelson Müller Schmidt Schneider Fischer Weber Meyer Wagner "
    "Becker Schulz Hoffmann Koch Richter Klein Wolf Neumann Dubois Durand Leroy Moreau Simon "
    "Laurent Rossi Russo Ferrari Bianchi Romano Novák Kowalski Nowak Jansen Bakker Visser "
    "Smit Okafor Mensah Haddad Khan Patel Singh Sharma Tanaka Suzuki"
)
_WORDS = _words(
    "North Blue Silver Green Global United First Prime Apex Delta Nova Summit Pacific Atlas "
    "Vertex Orion Harbor River Stone Bright Core Swift Lumen Astra Terra Quantum Fusion Cedar "
    "Falcon Polar"
)
_BUSINESSES = _words(
    "Systems Logistics Foods Partners Consulting Trading Engineering Software Textiles "
    "Medical Energy Media Motors Plastics Instruments Solutions Industries Services Holdings "
    "Shanghai"
)
_WESTERN_FORMS = _words("Ltd Inc GmbH LLC AG Co SA BV Group Corp")
_DOMAINS = [
    *_words("qq.com 163.com gmail.com 126.com outlook.com sina.com"),
    *(
        f"{word}{business}.{country}".lower()
        for word in _WORDS
        for business in _BUSINESSES
        for country in ("com", "de", "cn")
    ),
]
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_CHINESE = 0.6


@dataclass(frozen=True, slots=True)
class Customer:
    """What a customer is found by."""

    name: str
    email: str
    phone: str


class Customers:
    """Makes customers up, the same ones each time."""

    def __init__(self, seed: int = 1) -> None:
        self._random = Random(seed)

    def companies(self, count: int) -> Iterator[Customer]:
        for _ in range(count):
            chinese = self._random.random() < _CHINESE
            yield self._customer(self._chinese_company() if chinese else self._western_company())

    def people(self, count: int) -> Iterator[Customer]:
        for _ in range(count):
            chinese = self._random.random() < _CHINESE
            yield self._customer(self._chinese_person() if chinese else self._western_person())

    def pick(self, choices: Sequence[str]) -> str:
        """One of them, the earlier ones more often: the first half as often as all others."""
        place = int(self._random.paretovariate(0.7)) - 1
        return choices[place] if place < len(choices) else self._random.choice(choices)

    def _customer(self, name: str) -> Customer:
        return Customer(name, self._email(), self._phone())

    def _chinese_company(self) -> str:
        brand = self._random.choices(_BRAND_CHARACTERS, k=self._random.choice((2, 2, 3)))
        form = self._random.choice(_FORMS)
        return f"{self.pick(_CITIES)}{''.join(brand)}{self.pick(_TRADES)}{form}"

    def _western_company(self) -> str:
        choose = self._random.choice
        if choose((True, False)):
            brand = choose(_LAST_NAMES)
        else:
            brand = f"{self.pick(_WORDS)}{choose(('', ' '))}{choose(_WORDS).lower()}"
        return f"{brand} {self.pick(_BUSINESSES)} {choose(_WESTERN_FORMS)}"

    def _chinese_person(self) -> str:
        given = self._random.choices(_GIVEN, k=self._random.choice((1, 2, 2, 2)))
        return self.pick(_SURNAMES) + "".join(given)

    def _western_person(self) -> str:
        return f"{self.pick(_FIRST_NAMES)} {self._random.choice(_LAST_NAMES)}"

    def _email(self) -> str:
        random = self._random
        name = "".join(random.choices(_LETTERS, k=random.randint(4, 8)))
        if random.random() < 0.3:
            name = self.pick(_FIRST_NAMES).lower().replace("ë", "e")
        return f"{name}{random.randint(1, 99_999)}@{self.pick(_DOMAINS)}"

    def _phone(self) -> str:
        random = self._random
        if random.random() < 0.7:
            return f"+861{random.choice('3578')}{random.randint(0, 999_999_999):09d}"
        return f"+49{random.randint(1_500_000_000, 1_799_999_999)}"
