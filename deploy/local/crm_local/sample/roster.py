"""Who works at the sample company, and in which team."""

from __future__ import annotations

from dataclasses import dataclass

COMPANY = "Larkstone Instruments"
DOMAIN = "larkstone.example"


@dataclass(frozen=True, slots=True)
class Team:
    """A team; ``parent`` is the key of the one above, None right below the company."""

    key: str
    name: str
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Colleague:
    """A user. The part of the e-mail address before the ``@`` is the key."""

    key: str
    name: str
    role: str
    team: str | None = None

    @property
    def email(self) -> str:
        return f"{self.key}@{DOMAIN}"


TEAMS = (
    Team("shanghai", "Shanghai office"),
    Team("east-china", "Sales East China", "shanghai"),
    Team("south-china", "Sales South China", "shanghai"),
    Team("berlin", "Berlin office"),
    Team("dach", "Sales DACH", "berlin"),
    Team("uk-nordics", "Sales UK & Nordics", "berlin"),
    Team("chicago", "Chicago office"),
    Team("north-america", "Sales North America", "chicago"),
    Team("marketing", "Marketing"),
    Team("service", "Customer service"),
)

COLLEAGUES = (
    Colleague("chen.jingyi", "陈静怡", "sales_manager", "shanghai"),
    Colleague("wang.haoran", "王浩然", "sales_rep", "east-china"),
    Colleague("li.siyu", "李思雨", "sales_rep", "east-china"),
    Colleague("zhao.mingxuan", "赵明轩", "sales_rep", "east-china"),
    Colleague("huang.jiahui", "黄嘉慧", "sales_rep", "south-china"),
    Colleague("lin.zimo", "林子墨", "sales_rep", "south-china"),
    Colleague("anna.keller", "Anna Keller", "sales_manager", "berlin"),
    Colleague("jonas.brandt", "Jonas Brandt", "sales_rep", "dach"),
    Colleague("miriam.vogel", "Miriam Vogel", "sales_rep", "dach"),
    Colleague("oliver.hughes", "Oliver Hughes", "sales_rep", "uk-nordics"),
    Colleague("astrid.lindqvist", "Astrid Lindqvist", "sales_rep", "uk-nordics"),
    Colleague("marcus.reed", "Marcus Reed", "sales_manager", "chicago"),
    Colleague("emily.carter", "Emily Carter", "sales_rep", "north-america"),
    Colleague("diego.ramirez", "Diego Ramirez", "sales_rep", "north-america"),
    Colleague("grace.kim", "Grace Kim", "sales_rep", "north-america"),
    Colleague("zhou.yutong", "周雨桐", "marketer", "marketing"),
    Colleague("sophie.laurent", "Sophie Laurent", "marketer", "marketing"),
    Colleague("hannah.schmidt", "Hannah Schmidt", "service_manager", "service"),
    Colleague("wu.junjie", "吴俊杰", "agent", "service"),
    Colleague("priya.nair", "Priya Nair", "agent", "service"),
    Colleague("tom.becker", "Tom Becker", "agent", "service"),
    Colleague("zheng.xiao", "郑晓", "analyst"),
)


def in_role(role: str, team: str | None = None) -> list[Colleague]:
    """The colleagues in a role, those of one team alone if it is given."""
    return [
        colleague
        for colleague in COLLEAGUES
        if colleague.role == role and team in (None, colleague.team)
    ]
