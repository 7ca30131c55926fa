//! The expression that ends before a cursor, read backwards: `study.train_scdg().steps(5)` is a name and two calls.

/// What a cursor stands behind.
#[derive(Debug, PartialEq)]
pub enum Context {
    /// A dot; the expression before it ends here.
    Member(usize),
    /// Two colons: the names before them.
    Path(Vec<String>),
    /// Neither.
    Name,
}

/// Where an expression begins.
#[derive(Debug, PartialEq)]
pub enum Start {
    /// A variable.
    Name(String),
    /// A path that is not called: a constant, a variant.
    Path(Vec<String>),
    /// A function, or what is written like one.
    Call(Vec<String>),
    /// `name!(..)`.
    Macro(String),
    /// `Name { .. }`.
    Struct(String),
    /// A text in quotes.
    Text,
}

/// What happens to it then.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// `.name`
    Field(String),
    /// `.name(..)`
    Method(String),
    /// `?`
    Try,
    /// `[..]`
    Index,
}

/// An expression.
#[derive(Debug, PartialEq)]
pub struct Chain {
    /// Where it begins.
    pub start: Start,
    /// What follows, in order.
    pub steps: Vec<Step>,
}

/// Whether a character may stand in a name.
pub fn in_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What the end of the text says of the name that begins there.
pub fn context(text: &[char]) -> Context {
    let end = skip_space(text, text.len());
    match &text[..end] {
        [.., ':', ':'] => Context::Path(path_before(text, end)),
        // Neither a range nor a number.
        [before @ .., '.'] if !before.ends_with(&['.']) && !is_number(before) => Context::Member(end - 1),
        _ => Context::Name,
    }
}

fn is_number(text: &[char]) -> bool {
    let name: Vec<char> = text.iter().rev().take_while(|c| in_name(**c)).copied().collect();
    let before = text.len() - name.len();
    name.last().is_some_and(char::is_ascii_digit) && !text[..before].ends_with(&['.'])
}

/// The expression that the text ends with.
pub fn before(text: &[char]) -> Option<Chain> {
    let mut end = text.len();
    let mut steps = Vec::new();
    let start = loop {
        end = skip_space(text, end);
        match *text[..end].last()? {
            '?' => {
                steps.push(Step::Try);
                end -= 1;
            }
            ')' => {
                let open = opening(text, end - 1)?;
                let mut at = skip_space(text, open);
                if text[..at].ends_with(&['!']) {
                    break Start::Macro(name_before(text, at - 1)?.0);
                }
                if text[..at].ends_with(&['>']) {
                    at = turbofish(text, at)?;
                }
                let Some((name, begin)) = name_before(text, at) else {
                    // Brackets around an expression.
                    let mut inner = before(&text[open + 1..end - 1])?;
                    inner.steps.extend(steps.into_iter().rev());
                    return Some(inner);
                };
                let dot = skip_space(text, begin);
                if text[..dot].ends_with(&['.']) {
                    steps.push(Step::Method(name));
                    end = dot - 1;
                } else if text[..dot].ends_with(&[':', ':']) {
                    let mut path = path_before(text, dot);
                    path.push(name);
                    break Start::Call(path);
                } else {
                    break Start::Call(vec![name]);
                }
            }
            ']' => {
                let open = opening(text, end - 1)?;
                if text[..open].ends_with(&['!']) {
                    break Start::Macro(name_before(text, open - 1)?.0);
                }
                steps.push(Step::Index);
                end = open;
            }
            '}' => {
                let open = opening(text, end - 1)?;
                break Start::Struct(name_before(text, skip_space(text, open))?.0);
            }
            '"' => break Start::Text,
            c if in_name(c) => {
                let (name, begin) = name_before(text, end)?;
                let dot = skip_space(text, begin);
                if text[..dot].ends_with(&['.']) && !text[..dot].ends_with(&['.', '.']) {
                    // What a future gives has its own type in what the call says.
                    if name != "await" {
                        steps.push(Step::Field(name));
                    }
                    end = dot - 1;
                } else if text[..dot].ends_with(&[':', ':']) {
                    let mut path = path_before(text, dot);
                    path.push(name);
                    break Start::Path(path);
                } else {
                    break Start::Name(name);
                }
            }
            _ => return None,
        }
    };
    steps.reverse();
    Some(Chain { start, steps })
}

/// The names before two colons that end at `end`.
fn path_before(text: &[char], mut end: usize) -> Vec<String> {
    let mut path = Vec::new();
    while text[..end].ends_with(&[':', ':']) {
        let mut at = end - 2;
        if text[..at].ends_with(&['>']) {
            match angle(text, at) {
                Some(open) => at = open,
                None => break,
            }
            // `Vec::<f32>::new` has colons before the bracket, `<Vec<f32>>::new` has no name there.
            if text[..at].ends_with(&[':', ':']) {
                at -= 2;
            }
        }
        let Some((name, begin)) = name_before(text, at) else { break };
        path.insert(0, name);
        end = begin;
    }
    path
}

/// Where the name begins before `::<..>` that ends at `end`.
fn turbofish(text: &[char], end: usize) -> Option<usize> {
    let open = angle(text, end)?;
    text[..open].ends_with(&[':', ':']).then(|| open - 2)
}

/// The `<` of a `>` that stands before `end`.
fn angle(text: &[char], end: usize) -> Option<usize> {
    let mut depth = 0;
    for at in (0..end).rev() {
        match text[at] {
            '>' if at == 0 || text[at - 1] != '-' => depth += 1,
            '<' => depth -= 1,
            ';' | '{' => return None,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// The bracket that opens what is closed at `close`; texts in quotes are passed over.
fn opening(text: &[char], close: usize) -> Option<usize> {
    let (mut depth, mut at) = (0, close + 1);
    while at > 0 {
        at -= 1;
        match text[at] {
            ')' | ']' | '}' => depth += 1,
            '(' | '[' | '{' => depth -= 1,
            '"' => at = (0..at).rev().find(|quote| text[*quote] == '"' && !text[..*quote].ends_with(&['\\']))?,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// The name that ends at `end`, and where it begins.
fn name_before(text: &[char], end: usize) -> Option<(String, usize)> {
    let begin = end - text[..end].iter().rev().take_while(|c| in_name(**c)).count();
    (begin < end).then(|| (text[begin..end].iter().collect(), begin))
}

fn skip_space(text: &[char], end: usize) -> usize {
    end - text[..end].iter().rev().take_while(|c| c.is_whitespace()).count()
}
