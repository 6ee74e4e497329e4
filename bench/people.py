"""Made-up contacts, some of them entered twice: who is who is kept aside, not in the records.

Half have Chinese names. Among the different people are the ones that are easily taken for one:
families with one telephone, address and sometimes mailbox, colleagues with one switchboard and
address, namesakes in one company, sons named after their fathers. A second record of a person
differs in one to three things: a typing error, a homophone, another order, writing or format, a
field that is missing, was replaced since, or stands in another field's place.
"""

from __future__ import annotations

import random
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from pypinyin import lazy_pinyin


def _words(text: str) -> list[str]:
    return text.split()


_SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董"
    "萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎"
)
_GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红建国文志海波宁鹏飞雪梅琳晨宇浩轩"
    "子涵欣怡佳思雨梓萱俊熙博诗雅嘉豪天泽若瑶俪凯峰亮辉斌健鑫慧颖洁莹倩婷雯璐瑾萍燕"
)
_HOMOPHONES = dict(
    _words(
        """伟炜 芳方 娜纳 静婧 丽莉 强墙 军君 洋扬 艳燕 娟涓 涛滔 明鸣 秀绣 霞侠 刚钢 英瑛 华骅
        玉育 兰岚 红虹 文雯 志智 海骇 波菠 宁甯 鹏朋 雪鳕 梅玫 琳霖 晨辰 宇雨 浩皓 轩宣 涵函
        欣鑫 怡宜 佳嘉 思丝 俊骏 博搏 诗师 豪毫 天添 泽择 凯楷 峰锋 辉晖 斌彬 健建 慧惠 颖影
        洁杰 莹盈 婷廷"""
    )
)
_FIRST = _words(
    """James Mary Robert Patricia John Jennifer Michael Linda David Elizabeth William Barbara
    Richard Susan Joseph Jessica Thomas Sarah Charles Karen Christopher Lisa Daniel Nancy Matthew
    Betty Anthony Sandra Mark Margaret Donald Ashley Steven Kimberly Andrew Emily Paul Donna Joshua
    Michelle Kenneth Carol Kevin Amanda Brian Melissa George Deborah Timothy Stephanie Ronald
    Rebecca Jason Laura Edward Helen Jeffrey Sharon Ryan Cynthia Jacob Kathleen Gary Amy Nicholas
    Shirley Eric Angela Jonathan Anna Stephen Brenda Larry Pamela Justin Nicole Scott Emma Brandon
    Samantha Benjamin Katherine Samuel Christine Gregory Debra Alexander Rachel Patrick Carolyn
    Frank Janet Raymond Maria Jack Heather Dennis Diane Jerry Olivia José Zoë Jürgen François Björn
    Søren Łukasz Renée Günther André Inés Chloé Álvaro Ángela Matías Sofía Klaus Ulrike Wolfgang"""
)
_LAST = _words(
    """Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez
    Gonzalez Wilson Anderson Thomas Taylor Moore Jackson Martin Lee Perez Thompson White Harris
    Sanchez Clark Ramirez Lewis Robinson Walker Young Allen King Wright Scott Torres Nguyen Hill
    Flores Green Adams Nelson Baker Hall Rivera Campbell Mitchell Carter Roberts Müller Schröder
    Weiß Núñez Peña Dvořák Håkansson Sørensen Lefèvre Köhler"""
)
_STEMS = _words("Ash Bar Cal Dor Ell Fen Gar Hol Ing Kel Lan Mor Nor Oak Pen Rad Sel Thorn Und Wes")
_ENDS = _words("berg dale field ford ham ington land ley man mere ridge son stead ton ville well")
_STREETS = _words("Main Oak Maple Cedar Park Lake Hill River Church Station Mill Green High Bridge")
_CITIES = _words("Springfield Riverton Lakewood Fairview Georgetown Salem Ashford Newbury")
_ROADS = _words("建国路 人民路 中山路 解放路 和平路 南京路 长安街 文化路 科技路 滨江路")
_DISTRICTS = _words(
    "北京市朝阳区 上海市浦东新区 广州市天河区 深圳市南山区 杭州市西湖区 成都市武侯区"
)
_MAIL = _words("gmail.com qq.com 163.com outlook.com yahoo.com gmx.net")
_SHORT = {"Street": "St.", "Avenue": "Ave", "Road": "Rd."}


@dataclass(slots=True)
class Company:
    id: str
    domain: str
    switchboard: str
    address: str


@dataclass(slots=True)
class Person:
    """One person, or one record of a person.

    :ivar han: True for a name in Chinese characters, of which ``surname`` and ``given`` are parts.
    """

    han: bool
    surname: str
    given: str
    sex: str
    birthday: date | None
    phones: list[str]
    emails: list[str]
    addresses: list[str]
    company: Company | None
    name: str = ""


@dataclass(slots=True)
class Stock:
    """Records in no order that tells anything.

    :ivar people: by the place of each record, the number of the person it is of.
    """

    records: list[Person] = field(default_factory=list)
    people: list[int] = field(default_factory=list)
    companies: list[Company] = field(default_factory=list)

    def pairs(self) -> set[tuple[int, int]]:
        """The places of every two records of one person."""
        places: dict[int, list[int]] = {}
        for place, person in enumerate(self.people):
            places.setdefault(person, []).append(place)
        return {
            (one, other)
            for group in places.values()
            for at, one in enumerate(group)
            for other in group[at + 1 :]
        }


class Generator:
    """Makes stocks.

    :param seed: another one makes another stock.
    """

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._mailboxes: Counter[tuple[str, str]] = Counter()

    def stock(self, count: int, new_id: Callable[[], str], doubled: float = 0.12) -> Stock:
        """``count`` records, a share of the people in it having two or three."""
        chance = self._chance
        companies = [self._company(new_id) for _ in range(max(5, count // 25))]
        people = self._people(int(count / (1 + doubled * 1.2)), companies)
        stock = Stock(companies=companies)
        numbered = list(enumerate(people))
        entered = [(number, self._entered(person)) for number, person in numbered]
        while len(entered) < count:
            number, person = chance.choice(numbered)
            entered.append((number, self._again(person, companies)))
        chance.shuffle(entered)
        stock.people = [number for number, _ in entered]
        stock.records = [record for _, record in entered]
        return stock

    def _company(self, new_id: Callable[[], str]) -> Company:
        chance = self._chance
        stem = chance.choice(_STEMS) + chance.choice(_ENDS)
        domain = f"{stem.lower()}{chance.randint(1, 9999)}.example"
        return Company(new_id(), domain, self._landline(), self._address(chance.random() < 0.5))

    def _people(self, count: int, companies: Sequence[Company]) -> list[Person]:
        chance, people = self._chance, []
        while len(people) < count:
            person = self._person(companies)
            people.append(person)
            trap = chance.random()
            if trap < 0.12:
                people.extend(self._family(person, companies))
            elif trap < 0.13 and person.company:
                people.append(self._namesake(person, companies))
            elif trap < 0.132 and person.birthday and person.birthday.year < 1980:
                people.append(self._son(person))
        return people[:count]

    def _person(self, companies: Sequence[Company], han: bool | None = None) -> Person:
        chance = self._chance
        han = chance.random() < 0.5 if han is None else han
        person = Person(
            han=han,
            surname=self._surname(han),
            given=self._given(han),
            sex=chance.choice(["male", "female"]),
            birthday=self._birthday() if chance.random() < 0.7 else None,
            phones=[self._mobile(han)] if chance.random() < 0.85 else [],
            emails=[],
            addresses=[self._address(han)] if chance.random() < 0.6 else [],
            company=None,
        )
        if chance.random() < 0.65:
            self._employ(person, companies)
        if chance.random() < 0.75 or not (person.phones or person.addresses or person.birthday):
            person.emails.append(self._email(person))
        return person

    def _employ(self, person: Person, companies: Sequence[Company]) -> None:
        chance = self._chance
        company = companies[int(len(companies) * chance.random() ** 3)]  # a few are large
        person.company = company
        if chance.random() < 0.15:
            person.phones.append(company.switchboard)
        if chance.random() < 0.3 or not person.addresses:
            person.addresses = [company.address]

    def _family(self, person: Person, companies: Sequence[Company]) -> list[Person]:
        chance = self._chance
        landline, address = self._landline(), self._address(person.han)
        mailbox = [self._email(person)] if chance.random() < 0.1 else []
        family = [person]
        for _ in range(chance.randint(1, 3)):
            relative = self._person(companies, person.han)
            if chance.random() < 0.8:
                relative.surname = person.surname
            if relative.given in {each.given for each in family}:
                continue
            family.append(relative)
        for each in family:
            each.addresses, each.phones = [address], [landline, *each.phones]
            each.emails = [*each.emails, *mailbox]
        return family[1:]

    def _namesake(self, person: Person, companies: Sequence[Company]) -> Person:
        other = self._person(companies, person.han)
        other.surname, other.given = person.surname, person.given
        other.company = person.company
        assert person.company is not None
        other.phones.append(person.company.switchboard)
        other.addresses = [person.company.address]
        other.emails = [self._email(other)]
        return other

    def _son(self, person: Person) -> Person:
        assert person.birthday is not None
        born = person.birthday + timedelta(days=self._chance.randint(7500, 13000))
        phones = [self._mobile(person.han)]
        return replace(person, birthday=born, phones=phones, emails=[], company=None)

    def _surname(self, han: bool) -> str:
        chance = self._chance
        if han:
            return _SURNAMES[int(len(_SURNAMES) * chance.random() ** 2)]
        if chance.random() < 0.5:
            return _LAST[int(len(_LAST) * chance.random() ** 1.5)]
        return chance.choice(_STEMS) + chance.choice(_ENDS)

    def _given(self, han: bool) -> str:
        chance = self._chance
        if han:
            return "".join(chance.choices(_GIVEN, k=1 if chance.random() < 0.2 else 2))
        return _FIRST[int(len(_FIRST) * chance.random() ** 1.3)]

    def _birthday(self) -> date:
        return date(1950, 1, 1) + timedelta(days=self._chance.randint(0, 55 * 365))

    def _mobile(self, han: bool) -> str:
        chance = self._chance
        if han:
            return f"+861{chance.choice('3578')}{chance.randint(0, 10**9 - 1):09d}"
        return f"+4479{chance.randint(0, 10**8 - 1):08d}"

    def _landline(self) -> str:
        return f"+4420{self._chance.randint(70_000_000, 79_999_999)}"

    def _email(self, person: Person) -> str:
        chance = self._chance
        name = _ascii(f"{person.given}.{person.surname}")
        if person.company and chance.random() < 0.7:
            return self._unused(name, person.company.domain)
        return self._unused(
            f"{name.replace('.', '')}{chance.randint(1, 999)}", chance.choice(_MAIL)
        )

    def _unused(self, name: str, domain: str) -> str:
        """A mailbox that nobody else has: with a number where that needs one."""
        self._mailboxes[name, domain] += 1
        number = self._mailboxes[name, domain]
        return f"{name}{number if number > 1 else ''}@{domain}"

    def _address(self, han: bool) -> str:
        chance = self._chance
        if han:
            place = chance.choice(_DISTRICTS) + chance.choice(_ROADS)
            house, block, room = (
                chance.randint(1, 300),
                chance.randint(1, 30),
                chance.randint(101, 2999),
            )
            return f"{place}{house}号{block}栋{room}室"
        kind = chance.choice(list(_SHORT))
        street = f"{chance.randint(1, 400)} {chance.choice(_STREETS)} {kind}"
        return f"{street}, {chance.choice(_CITIES)} {chance.randint(10_000, 99_999)}"

    def _entered(self, person: Person) -> Person:
        record = replace(
            person,
            phones=list(person.phones),
            emails=list(person.emails),
            addresses=list(person.addresses),
        )
        record.name = _full_name(record)
        return record

    def _again(self, person: Person, companies: Sequence[Company]) -> Person:
        """A second record of a person, different in one to three things."""
        record, chance = self._entered(person), self._chance
        changes: list[Callable[[Person], None]] = [
            self._mistype_name,
            self._reorder_name,
            self._rewrite_name,
            self._reformat_phones,
            self._mistype_phone,
            self._renew_phone,
            lambda record: record.phones.clear(),
            self._rewrite_emails,
            self._mistype_email,
            lambda record: record.emails.clear(),
            self._rewrite_addresses,
            lambda record: record.addresses.clear(),
            self._move_house,
            self._misplace,
            self._mistype_birthday,
            lambda record: setattr(record, "birthday", None),
            lambda record: setattr(record, "company", chance.choice([None, *companies[:50]])),
        ]
        for change in chance.sample(changes, chance.choices([1, 2, 3], [40, 35, 25])[0]):
            change(record)
        return record

    def _mistype_name(self, record: Person) -> None:
        if record.han:
            known = [each for each in record.given if each in _HOMOPHONES]
            if known and record.name == _full_name(record):
                wrong = self._chance.choice(known)
                record.given = record.given.replace(wrong, _HOMOPHONES[wrong], 1)
                record.name = _full_name(record)
            return
        record.name = self._mistyped(record.name)

    def _reorder_name(self, record: Person) -> None:
        if record.han:
            record.name = f"{record.given} {record.surname}"
        else:
            record.name = f"{record.surname}, {record.given}"

    def _rewrite_name(self, record: Person) -> None:
        chance = self._chance
        if record.han:
            way = chance.choice(["latin", "spaced", "titled"])
            if way == "latin":
                record.name = f"{_ascii(record.surname)} {_ascii(record.given)}".title()
            elif way == "spaced":
                record.name = f"{record.surname} {record.given}"
            else:
                record.name += "先生" if record.sex == "male" else "女士"
            return
        way = chance.choice(["upper", "plain", "titled", "middle", "wide"])
        if way == "upper":
            record.name = record.name.upper()
        elif way == "plain":
            record.name = _ascii(record.name).title()
        elif way == "titled":
            record.name = f"Dr. {record.name}"
        elif way == "middle":
            record.name = (
                f"{record.given} {chance.choice(string.ascii_uppercase)}. {record.surname}"
            )
        else:
            record.name = "".join(
                chr(ord(each) + 0xFEE0) if "!" <= each <= "~" else each for each in record.name
            )

    def _mistyped(self, text: str) -> str:
        """With one letter left out, doubled, replaced or swapped with its neighbour."""
        chance = self._chance
        at = chance.choice([at for at, each in enumerate(text) if each.isalnum()])
        way = chance.choice(["drop", "double", "replace", "swap"])
        if way == "drop":
            return text[:at] + text[at + 1 :]
        if way == "double":
            return text[:at] + text[at] + text[at:]
        if way == "swap" and at + 1 < len(text):
            return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
        letters = string.digits if text[at].isdigit() else string.ascii_lowercase
        return text[:at] + chance.choice(letters) + text[at + 1 :]

    def _reformat_phones(self, record: Person) -> None:
        """As somebody of the same country writes them, in another order."""
        record.phones = [
            phone.replace("+86", "").replace("+44", "0") for phone in reversed(record.phones)
        ]

    def _mistype_phone(self, record: Person) -> None:
        if record.phones:
            digits = record.phones[0].removeprefix("+")
            at = self._chance.randint(3, len(digits) - 1)
            digits = digits[:at] + self._chance.choice(string.digits) + digits[at + 1 :]
            record.phones[0] = f"+{digits}" if record.phones[0].startswith("+") else digits

    def _renew_phone(self, record: Person) -> None:
        record.phones = [self._mobile(record.han)]

    def _rewrite_emails(self, record: Person) -> None:
        record.emails = [
            self._chance.choice([email.upper(), email.replace("@", "+crm@")])
            for email in record.emails
        ]

    def _mistype_email(self, record: Person) -> None:
        if record.emails:
            name, _, domain = record.emails[0].partition("@")
            record.emails[0] = f"{self._mistyped(name) or 'x'}@{domain}".replace("..", ".")

    def _rewrite_addresses(self, record: Person) -> None:
        for at, address in enumerate(record.addresses):
            for long, short in _SHORT.items():
                address = address.replace(long, short)
            if record.han:
                address = address.replace("市", "").replace("室", "")
            elif self._chance.random() < 0.5:
                street, _, town = address.partition(", ")
                address = f"{town}, {street}"
            record.addresses[at] = address

    def _move_house(self, record: Person) -> None:
        record.addresses = [self._address(record.han)]

    def _misplace(self, record: Person) -> None:
        """A telephone number or a mailbox stands where the address does."""
        found = record.phones or record.emails
        if found:
            record.addresses = [found.pop(0)]

    def _mistype_birthday(self, record: Person) -> None:
        born = record.birthday
        if born is None:
            return
        if born.day <= 12 and born.day != born.month:
            record.birthday = date(born.year, born.day, born.month)
        else:
            record.birthday = born.replace(day=self._chance.randint(1, 28))


def _full_name(person: Person) -> str:
    if person.han:
        return person.surname + person.given
    return f"{person.given} {person.surname}"


def _ascii(text: str) -> str:
    """In plain Latin letters, as who has no others types it."""
    letters = unicodedata.normalize("NFKD", "".join(lazy_pinyin(text)))
    return letters.encode("ascii", "ignore").decode().lower()
