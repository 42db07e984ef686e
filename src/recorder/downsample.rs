//! Points for plots, bounded however long a run is.

/// Keeps at most `capacity` points; as more come, neighbours are merged by `M`.
#[derive(Debug, Clone, Default)]
pub struct Downsampled<P> {
    points: Vec<P>,
    capacity: usize,
    /// Points that are merged into one.
    stride: u64,
    /// Points already merged into the one that is being made.
    merged: u64,
    making: Option<P>,
}

/// A point that can take in its neighbour; what peaks matter for keeps the higher one.
pub trait Merge {
    fn merge(&mut self, later: Self);
}

impl<P: Merge + Clone> Downsampled<P> {
    pub fn new(capacity: usize) -> Self {
        Self { points: Vec::new(), capacity: capacity.max(2), stride: 1, merged: 0, making: None }
    }

    pub fn push(&mut self, point: P) {
        match &mut self.making {
            Some(making) => making.merge(point),
            making => *making = Some(point),
        }
        self.merged += 1;
        if self.merged >= self.stride {
            self.merged = 0;
            self.points.extend(self.making.take());
        }
        if self.points.len() >= self.capacity {
            self.halve();
        }
    }

    /// Points that are merged into one.
    pub fn stride(&self) -> u64 {
        self.stride
    }

    /// The points, the one that is being made among them.
    pub fn points(&self) -> impl Iterator<Item = &P> {
        self.points.iter().chain(&self.making)
    }

    fn halve(&mut self) {
        let mut points = std::mem::take(&mut self.points).into_iter();
        while let Some(mut first) = points.next() {
            if let Some(second) = points.next() {
                first.merge(second);
            }
            self.points.push(first);
        }
        self.stride *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Merge for u64 {
        fn merge(&mut self, later: Self) {
            *self = (*self).max(later);
        }
    }

    #[test]
    fn it_is_bounded_and_keeps_the_peak() {
        let mut thinned = Downsampled::new(10);
        for i in 0..100_000u64 {
            thinned.push(if i == 31_415 { 999_999 } else { i });
        }
        assert!(thinned.points().count() <= 11);
        assert!(thinned.points().any(|point| *point == 999_999));
    }
}
