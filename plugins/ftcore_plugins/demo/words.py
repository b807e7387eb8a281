"""The words from which the demo's orders are put together, a part for training and a part that is held out.

Nothing is decided here. The two parts share no customer, product, city or phrase, so a model that scores on the
held-out part has learned how to read an order and not which orders there are.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """What one part is written with. Braces mark where a value goes."""

    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    kinds: tuple[str, ...]
    """Goes before a product: a material, a colour, a size."""
    products: tuple[str, ...]
    """Singular; all take a plain s in the plural. Common words: a small model spells rare ones wrong, which is not
    what the demo is about."""
    cities: tuple[str, ...]
    greetings: tuple[str, ...]
    introductions: tuple[str, ...]
    """The customer's name at the start."""
    signatures: tuple[str, ...]
    """The customer's name at the end."""
    requests: tuple[str, ...]
    deliveries: tuple[str, ...]
    dates: tuple[str, ...]
    noise: tuple[str, ...]
    """Says nothing about the order, though some of it holds numbers."""


def _list(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split("/"))


TRAIN = Words(
    first_names=_list(
        "Tom/Paul/Adam/Maria/Peter/David/Sarah/Mark/James/Robert/Alice/Daniel/Michael/Jane/Mary/Sam/Max/Richard/Frank/"
        "Henry/Jack/Chris/Victor/Emily/Thomas/William/Priya/Yuki/Ingrid/Amara/Leila/Hugo/Nadia"
    ),
    last_names=_list(
        "Sharma/Baker/Silva/Weber/Costa/Cohen/Jensen/Turner/Berg/Smith/Brown/Miller/Wilson/Moore/Taylor/Anderson/Harris/"
        "Clark/Lewis/Walker/Hall/Okafor/Haddad/Tanaka/Novak/Petrov/Kowalski"
    ),
    kinds=_list(
        "blue/small/green/paper/white/round/red/glass/large/black/plastic/metal/gold/brown/long/short/big/old/new/heavy/"
        "thin/oak/steel/leather/wool/brass/folding/linen/cork"
    ),
    products=_list(
        "chair/frame/folder/clock/rug/plate/book/cup/bag/pen/bed/door/shirt/hat/sock/belt/ring/camera/map/ball/wheel/tool/"
        "chain/lock/plant/flower/pot/panel/label/button/flag/notebook/mug/blanket/pencil case/desk mat/coat hook"
    ),
    cities=_list(
        "Lyon/Bergen/Leeds/Porto/Graz/Ghent/Bologna/Krakow/Basel/Utrecht/London/Paris/Chicago/Hamburg/Bristol/Madrid/"
        "Vienna/Dublin/Oslo/Prague"
    ),
    greetings=_list("Hi,/Hello,/Good morning,/Hey there,/Dear team,/Hi all,/Hello again,/Good evening,"),
    introductions=_list("this is {name}./my name is {name}./{name} here./{name} speaking./I am {name}."),
    signatures=_list("Thanks, {name}/Regards, {name}/Best, {name}/- {name}/Many thanks, {name}/Yours, {name}"),
    requests=_list(
        "I would like to order {items}/please send {items}/we need {items}/can I get {items}/I want {items}/"
        "could you send us {items}/put me down for {items}/I'd like {items}/we would like to buy {items}"
    ),
    deliveries=_list(
        "to {city}/for our shop in {city}/to my flat in {city}/to the office in {city}/delivered to {city}/"
        "to our address in {city}"
    ),
    dates=_list("by {date}/on {date}/before {date}/no later than {date}/for {date}"),
    noise=_list(
        "The last order was great./We have been customers for {n} years./How are you?/Sorry for the short notice./"
        "Last time we took {n}./No rush./I called {n} times./"
        "My neighbour told me about you./The weather is awful here."
    ),
)

HELDOUT = Words(
    first_names=_list(
        "Anna/Martin/Simon/Andrew/George/Ben/Lily/Samuel/John/Joseph/Charles/Matthew/Luke/Jacob/Alex/Stephen"
    ),
    last_names=_list(
        "Abbott/Gupta/Wagner/Morgan/Keller/Quinn/Hughes/Foster/Powell/Perry/Khan/Patel/Garcia/Lopez/Meyer/Hansen/Fischer"
    ),
    kinds=_list(
        "pine/yellow/tall/square/grey/purple/orange/thick/soft/flat/wide/dark/clear/plain/double/mini/iron/stone"
    ),
    products=_list(
        "table/jar/window/coat/phone/light/card/stamp/game/nail/key/bell/tree/pipe/board/sensor/filter/fan/sign/"
        "phone case/table mat"
    ),
    cities=_list("Rome/Boston/Oxford/Cambridge/Berlin/York/Bern/Lisbon/Seattle/Dallas"),
    greetings=_list("Good afternoon,/Hi everyone,/Greetings,/Hello friends,"),
    introductions=_list("{name} writing./it's {name} again./my name's {name}."),
    signatures=_list("Cheers, {name}/Kind regards, {name}/Thank you, {name}"),
    requests=_list("please ship {items}/may I order {items}/we'd love to have {items}/kindly reserve {items}"),
    deliveries=_list("to our house in {city}/for the cafe in {city}/delivered to our store in {city}"),
    dates=_list("until {date}/in time for {date}/to arrive on {date}"),
    noise=_list(
        "I saw you at the fair./We moved {n} weeks ago./You were closed when we came./You helped me very well before./"
        "I hope all is well."
    ),
)

NUMBERS = _list("one/two/three/four/five/six/seven/eight/nine/ten/eleven/twelve")
"""The word for 1 stands first."""

MONTHS = _list("January/February/March/April/May/June/July/August/September/October/November/December")
