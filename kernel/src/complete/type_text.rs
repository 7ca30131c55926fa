//! Takes apart the text of a type: its last name and its arguments.

/// The last name of a type, and its arguments: `&Vec<f32>` is `Vec` and `f32`.
pub fn parts(of: &str) -> (String, Vec<String>) {
    let mut of = of.trim();
    loop {
        let lifetime = of.strip_prefix('\'').and_then(|rest| rest.split_once(' ')).map(|(_, rest)| rest);
        let shorter = ["&", "mut ", "dyn ", "impl "].iter().find_map(|begin| of.strip_prefix(begin)).or(lifetime);
        match shorter {
            Some(shorter) => of = shorter.trim_start(),
            None => break,
        }
    }
    if let Some(inner) = of.strip_prefix('[') {
        let inner = inner.trim_end_matches(']');
        return ("slice".to_owned(), vec![until(inner, &[';']).to_owned()]);
    }
    let (name, arguments) = match of.split_once('<') {
        Some((name, rest)) => (name, rest.rsplit_once('>').map_or(rest, |(inside, _)| inside)),
        None => (of, ""),
    };
    let mut found = Vec::new();
    let mut rest = arguments;
    while !rest.trim().is_empty() {
        let one = until(rest, &[',']);
        found.push(one.to_owned());
        let begin = rest.find(one).unwrap_or(0) + one.len();
        rest = rest[begin..].trim_start().strip_prefix(',').unwrap_or("");
    }
    let name = name.trim().rsplit("::").next().unwrap_or(name);
    (name.split([' ', '+']).next().unwrap_or(name).to_owned(), found)
}

/// The text up to one of the ends that is not inside brackets.
pub fn until<'t>(text: &'t str, ends: &[char]) -> &'t str {
    let mut depth = 0;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            c if depth == 0 && ends.contains(&c) => return text[..at].trim(),
            '(' | '[' | '{' | '<' => depth += 1,
            '>' if before == '-' || before == '=' => {}
            ')' | ']' | '}' | '>' => depth -= 1,
            _ => {}
        }
        before = c;
    }
    text.trim()
}
