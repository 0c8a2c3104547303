"""Which domain of a mailbox may be taken for the organisation's own (E18)."""

from collections.abc import Collection

from domain.mail.addresses import domain_of

PUBLIC = frozenset(
    """
    126.com 163.com aim.com aol.com bigpond.com bk.ru bluewin.ch bol.com.br bt.com btinternet.com comcast.net
    cox.net daum.net duck.com earthlink.net email.cz fastmail.com fastmail.fm foxmail.com free.fr freenet.de
    gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.net googlemail.com hanmail.net hey.com home.pl hotmail.co.uk
    hotmail.com hotmail.de hotmail.es hotmail.fr hotmail.it hushmail.com icloud.com inbox.ru interia.pl kpnmail.nl
    laposte.net libero.it list.ru live.co.uk live.com live.de live.fr live.nl mac.com mail.com mail.de mail.ru
    mailbox.org me.com msn.com naver.com o2.pl onet.pl optonline.net optusnet.com.au orange.fr outlook.com
    outlook.de outlook.es outlook.fr outlook.it planet.nl pm.me posteo.de posteo.net protonmail.ch protonmail.com
    proton.me qq.com rambler.ru rediffmail.com rocketmail.com runbox.com sapo.pt sbcglobal.net seznam.cz sfr.fr
    shaw.ca sina.com sky.com skynet.be t-online.de telenet.be telia.com terra.com.br tutanota.com tutanota.de
    tuta.io tuta.com ukr.net uol.com.br verizon.net virgilio.it virginmedia.com wanadoo.fr web.de wp.pl
    xtra.co.nz yahoo.ca yahoo.co.in yahoo.co.jp yahoo.co.uk yahoo.com yahoo.com.au yahoo.com.br yahoo.de yahoo.es
    yahoo.fr yahoo.it yandex.com yandex.ru yeah.net ymail.com zoho.com zohomail.com ziggo.nl
    """.split()  # noqa: SIM905 - words in a paragraph
)
"""Services where anybody gets an address: colleagues share such a domain with customers."""


def proposed_internal(address: str, internal: Collection[str]) -> str | None:
    """The mailbox's own domain, unless it is internal already, or a public mail service."""
    domain = domain_of(address)
    return None if domain in internal or domain in PUBLIC else domain
