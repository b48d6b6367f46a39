"""The ways to say words that are spelt alike: `READINGS`, the usual one of each word first."""

__all__ = ["READINGS"]


def _noun_verb(table: str) -> dict[str, dict[str, str]]:
    """Readings of "word: noun | verb" lines, with the forms in -s beside them."""
    readings: dict[str, dict[str, str]] = {}
    for line in table.strip().splitlines():
        word, _, phones = line.partition(":")
        noun, _, verb = (part.strip() for part in phones.partition("|"))
        readings[word.strip()] = {"noun": noun, "verb": verb}
        last = noun.split()[-1]
        ending = "S" if last in ("T", "K", "P") else "IH0 Z" if last in ("S", "Z") else "Z"
        plural = f"{word.strip()}{'es' if word.strip().endswith('ss') else 's'}"
        readings[plural] = {"noun": f"{noun} {ending}", "verb": f"{verb} {ending}"}
    readings["houses"] = dict.fromkeys(("noun", "verb"), "HH AW1 Z IH0 Z")
    return readings


READINGS: dict[str, dict[str, str]] = {
    **_noun_verb(
        """
        record: R EH1 K ER0 D | R IH0 K AO1 R D
        present: P R EH1 Z AH0 N T | P R IY0 Z EH1 N T
        object: AA1 B JH EH0 K T | AH0 B JH EH1 K T
        project: P R AA1 JH EH0 K T | P R AH0 JH EH1 K T
        produce: P R OW1 D UW0 S | P R AH0 D UW1 S
        contract: K AA1 N T R AE2 K T | K AH0 N T R AE1 K T
        conduct: K AA1 N D AH0 K T | K AH0 N D AH1 K T
        conflict: K AA1 N F L IH0 K T | K AH0 N F L IH1 K T
        contest: K AA1 N T EH0 S T | K AH0 N T EH1 S T
        contrast: K AA1 N T R AE0 S T | K AH0 N T R AE1 S T
        convict: K AA1 N V IH0 K T | K AH0 N V IH1 K T
        desert: D EH1 Z ER0 T | D IH0 Z ER1 T
        permit: P ER1 M IH2 T | P ER0 M IH1 T
        rebel: R EH1 B AH0 L | R IH0 B EH1 L
        import: IH1 M P AO2 R T | IH2 M P AO1 R T
        export: EH1 K S P AO0 R T | IH0 K S P AO1 R T
        increase: IH1 N K R IY2 S | IH0 N K R IY1 S
        decrease: D IY1 K R IY2 S | D IH0 K R IY1 S
        insult: IH1 N S AH2 L T | IH2 N S AH1 L T
        progress: P R AA1 G R EH2 S | P R AH0 G R EH1 S
        protest: P R OW1 T EH2 S T | P R AH0 T EH1 S T
        subject: S AH1 B JH IH0 K T | S AH0 B JH EH1 K T
        suspect: S AH1 S P EH2 K T | S AH0 S P EH1 K T
        transport: T R AE1 N S P AO0 R T | T R AE0 N S P AO1 R T
        transfer: T R AE1 N S F ER0 | T R AE0 N S F ER1
        reject: R IY1 JH EH0 K T | R IH0 JH EH1 K T
        extract: EH1 K S T R AE2 K T | IH0 K S T R AE1 K T
        address: AE1 D R EH2 S | AH0 D R EH1 S
        digest: D AY1 JH EH0 S T | D AY0 JH EH1 S T
        refuse: R EH1 F Y UW2 Z | R AH0 F Y UW1 Z
        use: Y UW1 S | Y UW1 Z
        house: HH AW1 S | HH AW1 Z
        excuse: IH0 K S K Y UW1 S | IH0 K S K Y UW1 Z
        abuse: AH0 B Y UW1 S | AH0 B Y UW1 Z
        perfect: P ER1 F IH0 K T | P ER0 F EH1 K T
        separate: S EH1 P ER0 IH0 T | S EH1 P ER0 EY2 T
        estimate: EH1 S T AH0 M AH0 T | EH1 S T AH0 M EY2 T
        graduate: G R AE1 JH AH0 W AH0 T | G R AE1 JH AH0 W EY2 T
        alternate: AO1 L T ER0 N AH0 T | AO1 L T ER0 N EY2 T
        moderate: M AA1 D ER0 AH0 T | M AA1 D ER0 EY2 T
        deliberate: D IH0 L IH1 B ER0 AH0 T | D IH0 L IH1 B ER0 EY2 T
        appropriate: AH0 P R OW1 P R IY0 AH0 T | AH0 P R OW1 P R IY0 EY2 T
        duplicate: D UW1 P L AH0 K AH0 T | D UW1 P L AH0 K EY2 T
        advocate: AE1 D V AH0 K AH0 T | AE1 D V AH0 K EY2 T
        delegate: D EH1 L AH0 G AH0 T | D EH1 L AH0 G EY2 T
        associate: AH0 S OW1 S IY0 AH0 T | AH0 S OW1 S IY0 EY2 T
        elaborate: IH0 L AE1 B R AH0 T | IH0 L AE1 B ER0 EY2 T
        attribute: AE1 T R AH0 B Y UW2 T | AH0 T R IH1 B Y UW0 T
        """
    ),
    "content": {"noun": "K AA1 N T EH0 N T", "adjective": "K AH0 N T EH1 N T"},
    "read": {"present": "R IY1 D", "past": "R EH1 D"},
    "lead": {"guide": "L IY1 D", "metal": "L EH1 D"},
    "live": {"verb": "L IH1 V", "adjective": "L AY1 V"},
    "lives": {"noun": "L AY1 V Z", "verb": "L IH1 V Z"},
    "wind": {"air": "W IH1 N D", "turn": "W AY1 N D"},
    "winds": {"air": "W IH1 N D Z", "turn": "W AY1 N D Z"},
    "tear": {"eye": "T IH1 R", "rip": "T EH1 R"},
    "tears": {"eye": "T IH1 R Z", "rip": "T EH1 R Z"},
    "close": {"near": "K L OW1 S", "shut": "K L OW1 Z"},
    "bow": {"bend": "B AW1", "arrow": "B OW1"},
    "row": {"line": "R OW1", "quarrel": "R AW1"},
    "sow": {"seed": "S OW1", "pig": "S AW1"},
    "bass": {"music": "B EY1 S", "fish": "B AE1 S"},
    "dove": {"bird": "D AH1 V", "dive": "D OW1 V"},
    "wound": {"injury": "W UW1 N D", "turned": "W AW1 N D"},
    "minute": {"time": "M IH1 N AH0 T", "tiny": "M AY0 N UW1 T"},
    "used": {"employed": "Y UW1 Z D", "accustomed": "Y UW1 S T"},
    "resume": {"go on": "R IH0 Z UW1 M", "paper": "R EH1 Z AH0 M EY2"},
    "invalid": {"void": "IH0 N V AE1 L AH0 D", "patient": "IH1 N V AH0 L AH0 D"},
    "polish": {"shine": "P AA1 L IH0 SH", "nation": "P OW1 L IH0 SH"},
}
