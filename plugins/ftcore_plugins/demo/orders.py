"""Writes orders as people do, and beside each the JSON that says the same: the data of ftcore's demo.

All text is made here from lists of words, so it may be used for anything. It deliberately does not imitate a real shop:
it is small enough for a 135M model to learn in minutes, and hard enough that the untuned model does not guess it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any, Literal, TypeVar

from ftcore_plugins.demo.words import HELDOUT, MONTHS, NUMBERS, TRAIN, Words

INSTRUCTION = (
    'Reply with the order as JSON: {"customer":name,"items":{singular product:quantity},"city":name,'
    '"date":"day month" or null}'
)
"""The system message of every row. It states the whole schema, so that an untuned model has a fair chance."""

Form = Literal["pairs", "prompts"]
T = TypeVar("T")


def rows(count: int, split: str, seed: int, form: Form | None = None) -> Iterator[dict[str, Any]]:
    """`count` different rows of a part (`train` or `heldout`), always the same for a seed.

    Each is `{"messages": [system, user, assistant], "split": split}`; of `pairs` `{"prompt": [system, user], "chosen":
    …, "rejected": …, "split": split}`, and of `prompts` the same with the right answer as `reference`. Every form has
    the same messages. Asking for more rows only adds to the end.
    """
    words = HELDOUT if split == "heldout" else TRAIN
    for number, (message, order) in enumerate(_written(count, words, split, seed)):
        prompt = [{"role": "system", "content": INSTRUCTION}, {"role": "user", "content": message}]
        right = _json(order)
        if form == "pairs":
            rng = Random(f"ftcore demo mistakes {split} {seed} {number}")  # noqa: S311
            yield {"prompt": prompt, "chosen": right, "rejected": _json(spoiled(order, words, rng)), "split": split}
        elif form == "prompts":
            yield {"prompt": prompt, "reference": right, "split": split}
        else:
            yield {"messages": [*prompt, {"role": "assistant", "content": right}], "split": split}


def _json(order: Mapping[str, Any]) -> str:
    return json.dumps(order, separators=(",", ":"))


def _written(count: int, words: Words, split: str, seed: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """`count` messages that all differ, each with its order."""
    seen: set[str] = set()
    # A text as seed gives the same numbers on every version of Python, and so does random().
    rng = Random(f"ftcore demo {split} {seed}")  # noqa: S311
    while len(seen) < count:
        message, order = write(words, rng)
        if message in seen:
            continue
        seen.add(message)
        yield message, order


def write(words: Words, rng: Random) -> tuple[str, dict[str, Any]]:
    """A message, and the order that it means with its keys in the order of the schema."""
    name = f"{_pick(rng, words.first_names)} {_pick(rng, words.last_names)}"
    listed, items = _items(words, rng)
    city = _pick(rng, words.cities)
    date_text, date = _date(rng) if rng.random() < 0.5 else ("", None)
    signs = rng.random() < 0.5

    request = _pick(rng, words.requests).format(items=listed)
    ends = [_pick(rng, words.deliveries).format(city=city)]
    ends += [_pick(rng, words.dates).format(date=date_text)] if date else []
    if date and rng.random() < 0.3:
        ends.reverse()
    asks = request.startswith(("can ", "could ", "may "))
    sentence = " ".join([request, *ends]) + ("?" if asks else ".")

    parts = [_pick(rng, words.greetings)] if rng.random() < 0.5 else []
    parts += [] if signs else [_pick(rng, words.introductions).format(name=name)]
    noise = [_noise(words, rng)] if rng.random() < 0.4 else []
    parts += [*noise, sentence] if rng.random() < 0.5 else [sentence, *noise]
    parts += [_pick(rng, words.signatures).format(name=name)] if signs else []
    return _sentences(parts), {"customer": name, "items": items, "city": city, "date": date}


def spoiled(order: Mapping[str, Any], words: Words, rng: Random) -> dict[str, Any]:
    """The order with something wrong in one of its parts: another value, one left out, or one that nobody ordered.

    A judge that learns from these takes for right what is never wrong here, and who learns from the judge finds it out.
    """
    key = _pick(rng, list(order))
    return {**order, key: _wrong(key, order[key], words, rng)}


def _wrong(key: str, right: Any, words: Words, rng: Random) -> Any:
    if key == "items":
        return _wrong_items(right, words, rng)
    if right and rng.random() < 0.35:
        return None
    if key == "city":
        return _other(rng, words.cities, right)
    if key == "date":
        return next(date for date in iter(lambda: _date(rng)[1], None) if date != right)
    first, _, last = right.partition(" ")
    return f"{first} {_other(rng, words.last_names, last)}" if rng.random() < 0.6 else first


def _wrong_items(items: Mapping[str, int], words: Words, rng: Random) -> dict[str, int]:
    chosen, mistake = _pick(rng, list(items)), int(rng.random() * 4)
    if mistake == 0:
        return _misread(items, chosen, rng)
    if mistake == 1:
        return {**items, _pick(rng, [p for p in words.products if p not in items]): 1 + int(rng.random() * 20)}
    if mistake == 2 and len(items) > 1:
        return {product: quantity for product, quantity in items.items() if product != chosen}
    return {**items, chosen: _other(rng, range(1, 100), items[chosen])}


def _misread(items: Mapping[str, int], chosen: str, rng: Random) -> dict[str, int]:
    """A product as it was written, in the plural, or without what kind it is of."""
    _, blank, rest = chosen.partition(" ")
    other = rest if blank and rng.random() < 0.5 else f"{chosen}s"
    return {other if product == chosen else product: quantity for product, quantity in items.items()}


def _other(rng: Random, choices: Sequence[T], right: T) -> T:
    return _pick(rng, [choice for choice in choices if choice != right])


def _items(words: Words, rng: Random) -> tuple[str, dict[str, int]]:
    """One to three items: as they are listed in a sentence, and as quantities by product."""
    texts: list[str] = []
    items: dict[str, int] = {}
    for product in _some(rng, words.products, 1 + int(rng.random() ** 2 * 3)):
        full = f"{_pick(rng, words.kinds)} {product}" if rng.random() < 0.6 else product
        how_many, quantity = _quantity(rng, full)
        texts.append(f"{how_many} {full}{'' if quantity == 1 else 's'}")
        items[full] = quantity
    listed = texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
    return listed, items


def _quantity(rng: Random, product: str) -> tuple[str, int]:
    """How a quantity is written, and the number."""
    draw = rng.random()
    if draw < 0.15:
        return _pick(rng, ("an" if product[0] in "aeio" else "a", "one", "1")), 1
    if draw < 0.22:
        return "a dozen", 12
    if draw < 0.60:
        number = 2 + int(rng.random() * (len(NUMBERS) - 1))
        return NUMBERS[number - 1], number
    number = 2 + int(rng.random() * 98)
    return str(number), number


def _date(rng: Random) -> tuple[str, str]:
    """A day as people write it in one of four ways, and as `14 March`."""
    month, day = _pick(rng, MONTHS), 1 + int(rng.random() * 28)
    ordinal = _ordinal(day)
    text = _pick(rng, (f"{day} {month}", f"{month} {day}", f"{month} {ordinal}", f"the {ordinal} of {month}"))
    return text, f"{day} {month}"


def _ordinal(day: int) -> str:
    ending = "th" if day in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}{ending}"


def _noise(words: Words, rng: Random) -> str:
    number = 2 + int(rng.random() * 11)
    return _pick(rng, words.noise).format(n=_pick(rng, (NUMBERS[number - 1], str(number))))


def _sentences(parts: Sequence[str]) -> str:
    """Joined, with a capital wherever a sentence begins."""
    text = ""
    for part in parts:
        starts = not text or text[-1] in ".?!"
        text += ("" if not text else " ") + (part[0].upper() + part[1:] if starts else part)
    return text


def _pick(rng: Random, choices: Sequence[T]) -> T:
    return choices[int(rng.random() * len(choices))]


def _some(rng: Random, choices: Sequence[T], count: int) -> list[T]:
    left = list(choices)
    return [left.pop(int(rng.random() * len(left))) for _ in range(count)]
