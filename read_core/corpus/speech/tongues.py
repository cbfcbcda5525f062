"""Chains of words in the languages of Festival's voices, for the sounds that English lacks.

The words are everyday ones in random order: they give the sounds of a language, not its grammar.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

_ITALIAN = """
    casa gatto pane buono bella amico acqua fuoco terra sole luna mare monte strada scuola libro penna tavolo
    finestra porta giardino fiore albero foglia pesce uccello cavallo pecora mucca latte formaggio zucchero
    sedia specchio chiave bambino ragazza madre padre fratello sorella giovane vecchio grande piccolo veloce
    azzurro giallo bianco verde rosso oggi domani ieri sempre mai forse quando dove perche questo quello
    mangiare bere dormire parlare ascoltare scegliere giocare viaggio stazione treno piazza chiesa cielo
    pioggia neve ghiaccio estate inverno primavera autunno settimana mezzogiorno famiglia coniglio bottiglia
"""
_CZECH = """
    dům pes kočka chléb voda oheň země slunce měsíc moře hora cesta škola kniha pero stůl okno dveře zahrada
    květina strom list ryba pták kůň ovce kráva mléko sýr cukr židle zrcadlo klíč dítě holka matka otec bratr
    sestra mladý starý velký malý rychlý modrý žlutý bílý zelený červený dnes zítra včera vždy nikdy možná
    kdy kde proč tento jíst pít spát mluvit poslouchat vybrat hrát cestovat nádraží vlak náměstí kostel nebe
    déšť sníh led léto zima jaro podzim týden poledne rodina králík láhev dobrý bábovka pomeranč papoušek
"""
_CATALAN = """
    casa gat pa bo bella amic aigua foc terra sol lluna mar muntanya carrer escola llibre ploma taula
    finestra porta jardí flor arbre fulla peix ocell cavall ovella vaca llet formatge sucre cadira mirall
    clau nen noia mare pare germà germana jove vell gran petit ràpid blau groc blanc verd vermell avui demà
    ahir sempre mai potser quan on aquest menjar beure dormir parlar escoltar triar jugar viatge estació
    tren plaça església cel pluja neu gel estiu hivern primavera tardor setmana migdia família conill ampolla
"""
_RUSSIAN = """
    дом собака кошка хлеб вода огонь земля солнце луна море гора дорога школа книга ручка стол окно дверь сад
    цветок дерево лист рыба птица лошадь овца корова молоко сыр сахар стул зеркало ключ ребёнок девочка мать
    отец брат сестра молодой старый большой маленький быстрый синий жёлтый белый зелёный красный сегодня
    завтра вчера всегда никогда может когда где почему этот есть пить спать говорить слушать выбирать играть
    вокзал поезд площадь церковь небо дождь снег лёд лето зима весна осень неделя полдень семья бутылка бумага
"""
_HINDI = """
    घर कुत्ता बिल्ली रोटी पानी आग धरती सूरज चाँद समुद्र पहाड़ सड़क पाठशाला किताब कलम मेज खिड़की बगीचा फूल पेड़ पत्ता
    मछली पक्षी घोड़ा भेड़ गाय दूध चीनी कुर्सी बच्चा लड़की माता पिता भाई बहन जवान बूढ़ा बड़ा छोटा तेज नीला पीला सफेद हरा
    लाल आज कल हमेशा कभी शायद कब कहाँ क्यों यह वह खाना पीना सोना बोलना सुनना चुनना खेलना यात्रा गाड़ी आकाश बारिश
    बरफ गरमी सरदी वसंत सप्ताह दोपहर परिवार बोतल आम भारत बहुत मेहमान पापा मामा बाबा
"""
_MARATHI = """
    घर कुत्रा मांजर भाकरी पाणी आग जमीन सूर्य चंद्र समुद्र डोंगर रस्ता शाळा पुस्तक लेखणी टेबल खिडकी दार बाग फूल झाड पान
    मासा पक्षी घोडा मेंढी गाय दूध साखर खुर्ची आरसा मूल मुलगी आई वडील भाऊ बहीण तरुण म्हातारा मोठा लहान जलद निळा पिवळा
    पांढरा हिरवा लाल आज उद्या काल नेहमी कधी कदाचित कुठे का हा तो खाणे पिणे झोपणे बोलणे ऐकणे खेळणे प्रवास गाडी आकाश
    पाऊस बर्फ उन्हाळा हिवाळा आठवडा दुपार कुटुंब बाटली आंबा बाबा मामा
"""
_TELUGU = """
    ఇల్లు కుక్క పిల్లి నీరు నిప్పు భూమి చంద్రుడు సముద్రం కొండ బడి పుస్తకం కలం బల్ల కిటికీ తలుపు తోట పువ్వు చెట్టు ఆకు చేప
    పక్షి గొర్రె ఆవు పాలు కుర్చీ అద్దం పాప అమ్మ నాన్న అన్న చెల్లి పెద్ద చిన్న నీలం పసుపు తెలుపు ఎరుపు నేడు రేపు నిన్న
    ఎప్పుడు ఎక్కడ ఎందుకు ఇది అది తినడం మాట వినడం ఆట రైలు ఆకాశం వాన మంచు వేసవి వారం కుటుంబం సీసా మామిడి బాబు మామ
"""
_FINNISH = """
    talo koira kissa leipä vesi tuli maa aurinko kuu meri vuori tie koulu kirja kynä pöytä ikkuna ovi puutarha
    kukka puu lehti kala lintu hevonen lammas lehmä maito juusto sokeri tuoli peili avain lapsi tyttö äiti isä
    veli sisko nuori vanha suuri pieni nopea sininen keltainen valkoinen vihreä punainen tänään huomenna eilen
    aina koskaan ehkä milloin missä miksi tämä syödä juoda nukkua puhua kuunnella valita pelata matka asema
    juna tori kirkko taivas sade lumi jää kesä talvi kevät syksy viikko päivä perhe pullo omena mummo pappi
"""

WORDS = {
    "it": tuple(_ITALIAN.split()),
    "cs": tuple(_CZECH.split()),
    "ca": tuple(_CATALAN.split()),
    "ru": tuple(_RUSSIAN.split()),
    "hi": tuple(_HINDI.split()),
    "mr": tuple(_MARATHI.split()),
    "te": tuple(_TELUGU.split()),
    "fi": tuple(_FINNISH.split()),
}

_LENGTHS = (4, 10)  # words of a chain
_COMMAS = 0.12  # share of the words with a comma after them


def word_chains(seed: int, language: str) -> Iterator[str]:
    """An endless stream of chains of 4 to 10 words of a language in ``WORDS``; the same for the same seed."""
    generator = random.Random(f"chains/{language}/{seed}")
    while True:
        chosen = [generator.choice(WORDS[language]) for _ in range(generator.randint(*_LENGTHS))]
        yield " ".join(w + "," * (generator.random() < _COMMAS) for w in chosen[:-1]) + f" {chosen[-1]}."
