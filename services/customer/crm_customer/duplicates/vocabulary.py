"""Words of names that tell little or something particular, in folded letters."""

from __future__ import annotations

import re


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


TITLES = _set("mr mrs ms miss dr prof professor sir madam")
HAN_TITLES = re.compile(r"(先生|女士|小姐|太太|博士|教授|经理|總經理|总经理)$")
GENERATIONS = _set("jr sr junior senior ii iii iv")
"""What tells a son from his father of the same name."""

DOUBLE_SURNAMES = _set(
    """欧阳 歐陽 司马 司馬 上官 诸葛 諸葛 东方 東方 皇甫 尉迟 尉遲 公孙 公孫 慕容 令狐 宇文 长孙
    長孫 司徒 司空 夏侯 端木 百里 南宫 南宮 独孤 獨孤"""
)

LEGAL_FORMS = _set(
    """inc incorporated corp corporation co company ltd limited llc llp lp plc gmbh mbh ag kg kgaa
    ohg ug ek se sa sas sasu sarl eurl spa srl snc bv nv vof cv ab as asa aps oy oyj sro doo dd
    kft zrt nyrt pty pvt pte private sdn bhd kk gk tbk pt ooo oao zao pao ltda cia slu sl jsc the
    and of"""
)
"""How a company is set up, and the words between words."""

SPLIT_FORMS = re.compile(
    r"\b(?:s\.?\s?a\.?\s?r\.?\s?l|s\.?\s?p\.?\s?a|s\.?\s?r\.?\s?[lo]|g\.?m\.?b\.?h|l\.?l\.?[cp]"
    r"|a/s|s/a|[sab]\.[asbv]|n\.v|d\.o\.o|sp\.?\s?z\.?\s?o\.?\s?o)\b\.?"
)
"""Legal forms that are more than one word when their points are taken for ends of words."""

HAN_FORMS = re.compile(
    r"(集团|集團)?(股份有限公司|有限责任公司|有限責任公司|有限公司|股份公司|有限合伙|合伙企业"
    r"|合夥企業|总公司|總公司|分公司|公司|株式会社|株式會社|有限会社|合同会社)$|^(株式会社|有限会社)"
)

_REGIONS = _set(
    """中国 中國 北京 上海 天津 重庆 重慶 河北 山西 辽宁 遼寧 吉林 黑龙江 黑龍江 江苏 江蘇 浙江 安徽
    福建 江西 山东 山東 河南 湖北 湖南 广东 廣東 海南 四川 贵州 貴州 云南 雲南 陕西 陝西 甘肃 甘肅
    青海 台湾 台灣 内蒙古 內蒙古 广西 廣西 西藏 宁夏 寧夏 新疆 香港 澳门 澳門 石家庄 太原 沈阳
    瀋陽 大连 大連 长春 長春 哈尔滨 哈爾濱 南京 苏州 蘇州 无锡 無錫 常州 南通 徐州 杭州 宁波 寧波
    温州 溫州 嘉兴 嘉興 绍兴 紹興 合肥 福州 厦门 廈門 泉州 南昌 济南 濟南 青岛 青島 烟台 煙台 潍坊
    濰坊 郑州 鄭州 洛阳 洛陽 武汉 武漢 长沙 長沙 广州 廣州 深圳 佛山 东莞 東莞 珠海 中山 惠州 南宁
    南寧 海口 成都 绵阳 綿陽 贵阳 貴陽 昆明 西安 兰州 蘭州 西宁 西寧 银川 銀川 乌鲁木齐 烏魯木齊
    呼和浩特 拉萨 拉薩 台北 高雄"""
)
REGION = re.compile(f"^({'|'.join(sorted(_REGIONS, key=len, reverse=True))})(?:省|市)?")
"""The province or city that a Chinese company's name begins with."""

PUBLIC_MAIL = _set(
    """gmail.com googlemail.com outlook.com hotmail.com live.com yahoo.com icloud.com me.com
    proton.me gmx.de gmx.net web.de mail.ru qq.com foxmail.com 163.com 126.com sina.com sohu.com
    aliyun.com 139.com 189.cn yeah.net aol.com mail.com"""
)
"""Where anybody may have an address, so that it tells nothing of a company."""
