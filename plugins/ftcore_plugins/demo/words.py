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
    """Singular; all take a plain s in the plural."""
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
    """Says nothing about the order, though some of it holds numbers or names a day."""


def _list(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split("/"))


TRAIN = Words(
    first_names=_list(
        "Mia/Jonas/Amara/Luca/Priya/Oskar/Leila/Tom/Ingrid/Rafael/Yuki/Hannah/Samir/Greta/Paul/Nadia/Erik/Clara/Mateo/"
        "Ruth/Viktor/Zoe/Adam/Fatima/Hugo/Elena"
    ),
    last_names=_list(
        "Brandt/Okafor/Rossi/Sharma/Nilsen/Haddad/Baker/Silva/Tanaka/Weber/Mansour/Novak/Larsen/Costa/Fischer/Petrov/"
        "Moreau/Diaz/Cohen/Kowalski/Jensen/Turner/Vargas/Berg"
    ),
    kinds=_list(
        "oak/steel/blue/small/green/leather/paper/white/round/wool/brass/red/folding/glass/large/linen/black/cork"
    ),
    products=_list(
        "chair/lamp/notebook/mug/cushion/basket/frame/towel/stool/bowl/blanket/shelf bracket/candle/folder/apron/clock/"
        "tray/pencil case/bottle/desk mat/ladder/rug/drawer/plate"
    ),
    cities=_list(
        "Lyon/Bergen/Leeds/Porto/Graz/Ghent/Tampere/Bologna/Malaga/Aarhus/Krakow/Basel/Utrecht/Split/Brno/Toulouse/"
        "Bristol/Uppsala/Hamburg"
    ),
    greetings=_list("Hi,/Hello,/Good morning,/Hey there,/Dear team,/Hi all,/Hello again,/Good evening,"),
    introductions=_list("this is {name}./my name is {name}./{name} here./{name} speaking./I am {name}."),
    signatures=_list("Thanks, {name}/Regards, {name}/Best, {name}/- {name}/Many thanks, {name}/Yours, {name}"),
    requests=_list(
        "I would like to order {items}/please send {items}/we need {items}/can I get {items}/I want {items}/"
        "could you send us {items}/put me down for {items}/I'd like {items}/we would like to buy {items}"
    ),
    deliveries=_list(
        "to {city}/for our shop in {city}/to my flat in {city}/to the office in {city}/delivered to {city}"
    ),
    dates=_list("by {date}/on {date}/before {date}/no later than {date}/for {date}"),
    noise=_list(
        "The last order was great./We have been customers for {n} years./How are you?/Sorry for the short notice./"
        "Are you open this Friday?/Your shop was busy on Monday./Last time we took {n}./No rush./I called {n} times./"
        "My neighbour told me about you./The weather is awful here."
    ),
)

HELDOUT = Words(
    first_names=_list("Anna/Felix/Laura/Diego/Sofia/Kenji/Martin/Omar/Julia/Bruno/Esther/Ivan"),
    last_names=_list("Lindgren/Abbott/Ferrari/Gupta/Wagner/Morgan/Sato/Pereira/Keller/Dubois/Quinn"),
    kinds=_list("pine/copper/yellow/tall/cotton/square/bamboo/grey/silk/narrow"),
    products=_list("table/teapot/curtain/mirror/jar/pillow/backpack/vase/coat hook/spoon/planter"),
    cities=_list("Nantes/Turin/Seville/York/Gdansk/Linz/Odense/Braga/Bern/Oulu"),
    greetings=_list("Good afternoon,/Hi everyone,/Greetings,/Hello friends,"),
    introductions=_list("{name} writing./it's {name} again./my name's {name}."),
    signatures=_list("Cheers, {name}/Kind regards, {name}/Thank you, {name}"),
    requests=_list("please ship {items}/may I order {items}/we'd love to have {items}/kindly reserve {items}"),
    deliveries=_list("to our house in {city}/for the cafe in {city}/shipped to {city}"),
    dates=_list("until {date}/not after {date}/to arrive on {date}"),
    noise=_list(
        "I saw you at the fair./We moved {n} weeks ago./Are you open on Tuesday?/You helped me {n} times before./"
        "I hope all is well."
    ),
)

NUMBERS = (
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
"""The word for 1 stands first."""

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
