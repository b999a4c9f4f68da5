//! Charts, drawn by the server: bars over time, whose numbers stand in a table as well.

/// The width of the place of a bar, and of the bar.
const PLACE: u64 = 20;
const BAR: u64 = 16;
/// The height of the highest bar.
const HEIGHT: u64 = 100;

/// A chart of bars.
pub struct Chart {
    /// What it shows.
    pub title: &'static str,
    /// What it shows in words.
    pub summary: String,
    /// Its bars, from left to right.
    pub bars: Vec<Bar>,
}

/// A bar.
pub struct Bar {
    /// What it stands for, with its number.
    pub label: String,
    /// Its left edge.
    pub x: u64,
    /// Its upper edge.
    pub y: u64,
    /// Its height.
    pub height: u64,
}

impl Chart {
    /// A chart of numbers with what they stand for, from left to right.
    pub(super) fn new(title: &'static str, numbers: &[(String, u64)]) -> Self {
        let most = numbers.iter().max_by_key(|(_, number)| *number);
        let summary = match most {
            Some((name, most)) if *most > 0 => format!("at most {most}, on {name}"),
            _ => "none".to_owned(),
        };
        let most = most.map_or(1, |(_, most)| (*most).max(1));
        let bars = (0..).zip(numbers).map(|(index, (name, number))| {
            let scaled = u128::from(*number) * u128::from(HEIGHT) / u128::from(most);
            // Something is never shown as nothing.
            let height = u64::try_from(scaled).unwrap_or(HEIGHT).max(u64::from(*number > 0));
            Bar { label: format!("{name}: {number}"), x: index * PLACE + (PLACE - BAR) / 2, y: HEIGHT - height, height }
        });
        Self { title, summary, bars: bars.collect() }
    }

    /// The width of a bar.
    pub const fn bar(&self) -> u64 {
        BAR
    }

    /// The height of the chart.
    pub const fn height(&self) -> u64 {
        HEIGHT
    }

    /// The width of the chart.
    pub fn width(&self) -> u64 {
        self.bars.iter().map(|bar| bar.x + BAR + (PLACE - BAR) / 2).max().unwrap_or(PLACE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_bar_fills_the_chart_and_something_is_never_nothing() {
        let numbers =
            [("a", 0), ("b", 1), ("c", 50_000), ("d", u64::MAX)].map(|(name, number)| (name.to_owned(), number));
        let chart = Chart::new("Things", &numbers);
        let bars: Vec<_> = chart.bars.iter().map(|bar| (bar.x, bar.y, bar.height)).collect();
        assert_eq!(bars, [(2, 100, 0), (22, 99, 1), (42, 99, 1), (62, 0, 100)]);
        assert_eq!((chart.width(), chart.bars[1].label.as_str()), (80, "b: 1"));
        assert!(chart.summary.ends_with("on d"), "{}", chart.summary);
        assert_eq!(Chart::new("Things", &numbers[..1]).summary, "none");
        assert_eq!(Chart::new("Things", &[]).width(), 20);
    }
}
