//! The words of one-time codes.
//!
//! Owns: 256 words of three to five letters, in the order of the alphabet. Must not know: what they are for.
//!
//! Chosen to be said over a bad line and typed by somebody who only heard them: common things, no two that differ by one
//! letter or by two exchanged ones, none with a well-known twin of the same sound, none that hurts. Codes are made of the
//! words, not of their places (see [`Code`](super::code::Code)): a word may be replaced without confusing older versions
//! about the others.

/// One word for each value of a byte.
pub(super) const WORDS: [&str; 256] = [
    "acid", "actor", "adopt", "agent", "alarm", "album", "alley", "alpha", "amber", "ankle", "anvil", "apple", "april",
    "arch", "arena", "arrow", "aspen", "atlas", "atom", "attic", "bacon", "badge", "basil", "belt", "bench", "bird",
    "bison", "blend", "blimp", "bloom", "blue", "brave", "brick", "brown", "brush", "calf", "camel", "candy", "cargo",
    "chalk", "chief", "chin", "city", "civic", "clock", "clown", "club", "cobra", "comet", "coral", "crisp", "curry",
    "cycle", "daisy", "dawn", "denim", "depot", "diet", "diner", "disco", "donut", "door", "dozen", "draft", "drum",
    "duck", "dwarf", "eagle", "elbow", "elder", "essay", "event", "exam", "extra", "fact", "fern", "field", "fig",
    "fish", "flame", "fleet", "flint", "focus", "forty", "fox", "frost", "fruit", "fudge", "gamma", "gecko", "gift",
    "glass", "glove", "gnome", "goat", "grape", "green", "habit", "happy", "harp", "hazel", "hive", "honey", "human",
    "humor", "ice", "igloo", "index", "iris", "ivory", "jeans", "jewel", "joker", "judo", "kayak", "kebab", "kelp",
    "kiosk", "kiwi", "lamb", "laser", "leaf", "lemon", "lilac", "lion", "lobby", "logic", "lotus", "lucky", "lunch",
    "lynx", "magma", "major", "match", "medic", "menu", "milk", "mouse", "music", "myth", "nacho", "navy", "ninja",
    "north", "novel", "nurse", "nut", "nylon", "oasis", "ocean", "omega", "opal", "opera", "otter", "ounce", "oxide",
    "park", "pasta", "patio", "pearl", "piano", "pilot", "pizza", "plaza", "poem", "polar", "pond", "poppy", "prism",
    "pulse", "pump", "pupil", "quest", "quilt", "quiz", "radar", "radio", "raven", "relay", "rhino", "ridge", "robin",
    "robot", "rope", "ruby", "ruler", "rumba", "salad", "salsa", "satin", "sauce", "scuba", "seed", "shelf", "shirt",
    "shoe", "siren", "sixty", "sky", "sloth", "smile", "snack", "sonar", "soup", "spoon", "squid", "stamp", "storm",
    "straw", "sugar", "sunny", "sushi", "swan", "syrup", "table", "tango", "taxi", "teddy", "thorn", "thumb", "tiger",
    "tofu", "topaz", "torch", "trail", "tree", "tulip", "tuna", "turbo", "tutor", "unit", "upper", "urban", "valve",
    "van", "vapor", "venue", "video", "villa", "vinyl", "visit", "vivid", "vowel", "wafer", "wagon", "waltz", "wheat",
    "wool", "world", "yacht", "yeast", "yeti", "yoga", "young", "zebra", "zero",
];
