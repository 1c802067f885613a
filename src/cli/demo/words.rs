//! What people in the demo's mailbox write: names, topics, sentences. All of it is made up; the
//! domains are those that RFC 2606 keeps for examples.

/// Someone who writes to the demo's user.
#[derive(Debug, Clone, Copy)]
pub(super) struct Person {
    pub(super) name: &'static str,
    pub(super) email: &'static str,
}

const fn person(name: &'static str, email: &'static str) -> Person {
    Person { name, email }
}

/// The user of the demo.
pub(super) const ME: Person = person("Ada Lovelace", "ada@example.org");

/// Those who write to her.
pub(super) const PEOPLE: [Person; 18] = [
    person("Grace Hopper", "grace@example.net"),
    person("Lin Wei 林伟", "lin@example.com"),
    person("José Núñez", "jose@example.net"),
    person("Наталья Орлова", "natalya@example.com"),
    person("佐藤 美咲", "misaki@example.net"),
    person("יעל כהן", "yael@example.com"),
    person("أحمد الفارسي", "ahmad@example.net"),
    person("김민준", "minjun@example.com"),
    person("Søren Ødegård", "soren@example.net"),
    person("Katherine Johnson", "katherine@example.com"),
    person("Alan Turing", "alan@example.net"),
    person("Edsger Dijkstra", "edsger@example.com"),
    person("Barbara Liskov", "barbara@example.net"),
    person("Zoë Müller", "zoe@example.com"),
    person("Radia Perlman", "radia@example.net"),
    person("Dennis Ritchie", "dennis@example.com"),
    person("Margaret Hamilton", "margaret@example.net"),
    person("Tim O'Malley", "tim@example.com"),
];

/// What threads are about.
pub(super) const TOPICS: [&str; 30] = [
    "deploy window on Friday",
    "Q3 numbers: final draft",
    "Lunch on Thursday?",
    "The printer on the second floor",
    "Review: retry policy of the outbox",
    "Notes from the reading group",
    "Moving the backups",
    "Who has the key to the workshop?",
    "Train tickets to Ghent",
    "Draft of the talk",
    "Slow queries since Monday",
    "Interview plan for the new colleague",
    "Certificate renewal",
    "Garden party in June",
    "Naming things",
    "Agenda for the retrospective",
    "Broken link on the start page",
    "Photos of the excursion",
    "Change of address",
    "Question about your paper",
    "Keyboard layout for the field unit",
    "Time zones again",
    "Budget for the lab",
    "Insurance form",
    "Walking tour on Sunday 🥾",
    "Bug: search forgets its scope",
    "Spare room in May",
    "New coffee machine ☕",
    "Password rotation",
    "Recipe, as promised",
];

/// What lists talk about.
pub(super) const LIST_TOPICS: [&str; 16] = [
    "Borrowing a slice across an await",
    "When is a newtype too much?",
    "[RFC] stable order of map keys in reports",
    "Announcing quillpot 2.1",
    "Panics in drop, again",
    "Reading the clock only once",
    "Property tests that shrink well",
    "Cross compiling for old glibc",
    "How do you lay out large crates?",
    "Exhaustive match and semver",
    "Error types: one or many?",
    "Zero-copy parsing in practice",
    "Benchmarks that mean something",
    "Unicode width of emoji in terminals",
    "[ANN] meeting in Utrecht on the 14th",
    "Is a trait the right seam here?",
];

/// Sentences of ordinary letters.
pub(super) const SENTENCES: [&str; 36] = [
    "Friday at four works for me, and the runbook is one command now.",
    "I read it on the train and have two small remarks, both in the margin.",
    "Could you look at the second table before we send it out?",
    "The numbers changed since yesterday because the late bookings were missing.",
    "I would rather wait a week than do it twice.",
    "Nobody has answered yet, so I take that as a yes.",
    "The draft is attached; the last page is still empty on purpose.",
    "We should write down what we agreed, while we still remember it.",
    "It failed in the same place as last time, which is good news in a way.",
    "Please page me first if anything looks odd.",
    "I moved the meeting by half an hour because of the train.",
    "The old server stays up until the end of the month, just in case.",
    "There are three ways to do this and I dislike two of them.",
    "Would it help if I came over and we looked at it together?",
    "The tests pass here, but I do not trust them on that machine.",
    "I found the cable, it was behind the cupboard all along.",
    "Let us keep the first version simple and see who complains.",
    "My phone was off, sorry for the late answer.",
    "The invoice is right, only the date is from another year.",
    "Can we ask the others, or is it only the two of us?",
    "I have put the notes where everybody can read them.",
    "The window in the small room does not close any more.",
    "We have enough chairs if two people bring their own.",
    "The first half is done, the second is where the work is.",
    "Thank you for the patience, it was worth it.",
    "I do not know yet, and I will tell you on Monday.",
    "The graph is steeper than it looks, since the axis is logarithmic.",
    "He said the delivery comes between eight and noon, so probably at one.",
    "Row fourteen is net, everything below is gross.",
    "If it rains we meet at the museum.",
    "I counted again and it is still one too many.",
    "Here is what I would say in the talk, in about four minutes.",
    "The change is small, but the reason for it is not.",
    "They want an answer this week and will accept a rough one.",
    "I left the old text in, so that you can compare.",
    "See you tomorrow, and bring the blue folder.",
];

/// Whole letters in other scripts, with their subjects.
pub(super) const OTHER_SCRIPTS: [(&str, &str); 7] = [
    (
        "¿Comemos el jueves?",
        "Hola Ada:\n\n¿Te viene bien el jueves a las dos? Han abierto un sitio nuevo cerca de la estación.\n\nUn abrazo,\nJosé\n",
    ),
    (
        "关于星期五的部署窗口",
        "你好 Ada，\n\n星期五下午四点可以。回滚现在只需要一条命令，运行手册已经更新。\n\n谢谢！\n林伟\n",
    ),
    (
        "来週の打ち合わせについて",
        "エイダさん\n\nお世話になっております。来週の打ち合わせは火曜日の十時からでよろしいでしょうか。\n資料は前日までにお送りします。\n\n佐藤\n",
    ),
    (
        "סיכום הפגישה",
        "שלום עדה,\n\nתודה על הפגישה אתמול. הסיכום מצורף למטה, ונשאר רק לקבוע תאריך.\n\n1. התקציב אושר.\n2. הבדיקות יתחילו ביום ראשון.\n\nיעל\n",
    ),
    (
        "جدول الرحلة",
        "مرحبا آدا،\n\nالقطار يصل الساعة السابعة والنصف صباحا إلى المحطة المركزية. سأنتظرك عند المدخل.\n\nأحمد\n",
    ),
    (
        "Отчёт за третий квартал",
        "Ада, добрый день!\n\nОтчёт готов, осталось проверить последнюю таблицу. Если успеешь до среды — будет отлично.\n\nНаталья\n",
    ),
    (
        "다음 주 일정",
        "에이다 님,\n\n다음 주 화요일 오후 세 시에 시간이 괜찮으신가요? 회의실은 예약해 두었습니다.\n\n김민준 드림\n",
    ),
];
