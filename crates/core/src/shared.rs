//! Questions that wait at the same time are asked in one statement.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{runtime::Handle, sync::oneshot, task::yield_now, time::timeout};

use crate::StoreError;

/// How many questions are asked together at most.
pub const MOST: usize = 32;

/// How long a question waits for the one before it. A connection that hangs then holds up nobody else.
const PATIENCE: Duration = Duration::from_millis(4);

type Asked<A> = Pin<Box<dyn Future<Output = Result<Vec<A>, StoreError>> + Send>>;
type Ask<Q, A> = dyn Fn(Vec<Q>) -> Asked<A> + Send + Sync;

/// A kind of question.
///
/// The first one is asked at once, together with those of tasks that are ready to run at the same moment. Those that come before
/// it is answered wait, and are then asked together; no answer is older than its question. A clone shares the queue.
#[doc(hidden)]
pub struct Shared<Q, A> {
    queue: Arc<Mutex<Queue<Q, A>>>,
    ask: Arc<Ask<Q, A>>,
}

struct Queue<Q, A> {
    waiting: Vec<Waiting<Q, A>>,
    /// How many are being asked, each alone or together with others.
    asking: usize,
    tickets: u64,
}

impl<Q: Clone, A> Queue<Q, A> {
    fn push(&mut self, question: &Q) -> (u64, Answer<A>) {
        let (sender, receiver) = oneshot::channel();
        self.tickets += 1;
        self.waiting.push(Waiting {
            ticket: self.tickets,
            question: question.clone(),
            answer: sender,
        });
        (self.tickets, receiver)
    }
}

struct Waiting<Q, A> {
    ticket: u64,
    question: Q,
    answer: oneshot::Sender<Result<A, StoreError>>,
}

type Answer<A> = oneshot::Receiver<Result<A, StoreError>>;

enum Place<A> {
    First,
    Waits(u64, Answer<A>),
}

impl<Q: Clone + Send + 'static, A: Send + 'static> Shared<Q, A> {
    /// Questions that `ask` answers, in their order.
    pub fn new<F, R>(ask: F) -> Self
    where
        F: Fn(Vec<Q>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Vec<A>, StoreError>> + Send + 'static,
    {
        let queue = Queue {
            waiting: Vec::new(),
            asking: 0,
            tickets: 0,
        };
        Self {
            queue: Arc::new(Mutex::new(queue)),
            ask: Arc::new(move |questions| Box::pin(ask(questions))),
        }
    }

    /// Asks alone, or together with others.
    ///
    /// # Errors
    /// [`StoreError`] of whatever was asked.
    pub async fn ask(&self, question: Q) -> Result<A, StoreError> {
        let (ticket, mut answer) = match self.line_up(&question) {
            Place::First => {
                let turn = Turn(self.clone());
                // Whoever is ready to run may ask as well.
                yield_now().await;
                if let Some(place) = self.join(&question) {
                    place
                } else {
                    let answer = self.ask_one(question).await;
                    drop(turn);
                    return answer;
                }
            }
            Place::Waits(ticket, answer) => (ticket, answer),
        };
        let answered = if let Ok(answered) = timeout(PATIENCE, &mut answer).await {
            answered
        } else {
            self.hurry(ticket);
            answer.await
        };
        match answered {
            Ok(answered) => answered,
            // Whoever was to ask is gone with its runtime.
            Err(_) => self.ask_one(question).await,
        }
    }

    async fn ask_one(&self, question: Q) -> Result<A, StoreError> {
        let answers = (self.ask)(vec![question]).await?;
        let answer = answers.into_iter().next();
        answer.ok_or_else(|| StoreError::fault("a question has no answer"))
    }

    fn lock(&self) -> MutexGuard<'_, Queue<Q, A>> {
        // Nothing in here panics with the lock held.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line_up(&self, question: &Q) -> Place<A> {
        let mut queue = self.lock();
        if queue.asking == 0 {
            queue.asking = 1;
            return Place::First;
        }
        let (ticket, answer) = queue.push(question);
        Place::Waits(ticket, answer)
    }

    /// Goes with those who have come meanwhile, if there are any.
    fn join(&self, question: &Q) -> Option<(u64, Answer<A>)> {
        let mut queue = self.lock();
        (!queue.waiting.is_empty()).then(|| queue.push(question))
    }

    /// Asks what waits although the last question has no answer yet.
    fn hurry(&self, ticket: u64) {
        let mut queue = self.lock();
        if queue.waiting.iter().any(|waiting| waiting.ticket == ticket) {
            queue.asking += 1;
            drop(queue);
            self.next();
        }
    }

    /// Asks those that wait, in a task of their own: the one who came first may go away.
    fn next(&self) {
        let queue = self.lock();
        match Handle::try_current() {
            Ok(runtime) if !queue.waiting.is_empty() => {
                drop(queue);
                let mut begun = Begun(Some(self.clone()));
                runtime.spawn(async move {
                    let Some(turn) = begun.turn() else { return };
                    yield_now().await;
                    turn.0.ask_together().await;
                });
            }
            _ => Self::give_up(queue),
        }
    }

    /// Nobody asks any more: those who wait see that their senders are gone, and ask by themselves.
    fn give_up(mut queue: MutexGuard<'_, Queue<Q, A>>) {
        queue.asking -= 1;
        let gone = mem::take(&mut queue.waiting);
        drop(queue);
        drop(gone);
    }

    /// The longest waiting ones; who is gone needs no answer.
    fn take(&self) -> Vec<Waiting<Q, A>> {
        let mut queue = self.lock();
        queue.waiting.retain(|waiting| !waiting.answer.is_closed());
        let most = queue.waiting.len().min(MOST);
        let rest = queue.waiting.split_off(most);
        mem::replace(&mut queue.waiting, rest)
    }

    async fn ask_together(&self) {
        let together = self.take();
        let questions: Vec<Q> = together.iter().map(|waiting| waiting.question.clone()).collect();
        if questions.is_empty() {
            return;
        }
        match (self.ask)(questions).await {
            Ok(answers) => {
                for (waiting, answer) in together.into_iter().zip(answers) {
                    let _ = waiting.answer.send(Ok(answer));
                }
            }
            Err(StoreError::Unavailable(cause)) => {
                let text = cause.to_string();
                for waiting in together {
                    let _ = waiting.answer.send(Err(StoreError::unavailable(text.as_str())));
                }
            }
            // One of them may be what the database cannot read: the others are not to pay for it.
            Err(_) => {
                for waiting in together {
                    let _ = waiting.answer.send(self.ask_one(waiting.question).await);
                }
            }
        }
    }
}

impl<Q, A> Clone for Shared<Q, A> {
    fn clone(&self) -> Self {
        Self {
            queue: Arc::clone(&self.queue),
            ask: Arc::clone(&self.ask),
        }
    }
}

impl<Q, A> fmt::Debug for Shared<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// A turn to ask; whoever gives it up, by an answer or by going away, lets the next ones ask.
struct Turn<Q: Clone + Send + 'static, A: Send + 'static>(Shared<Q, A>);

impl<Q: Clone + Send + 'static, A: Send + 'static> Drop for Turn<Q, A> {
    fn drop(&mut self) {
        self.0.next();
    }
}

/// A turn whose task has yet to run. A runtime that ends drops it at once, and would drop whatever it begins next as well.
struct Begun<Q: Clone + Send + 'static, A: Send + 'static>(Option<Shared<Q, A>>);

impl<Q: Clone + Send + 'static, A: Send + 'static> Begun<Q, A> {
    fn turn(&mut self) -> Option<Turn<Q, A>> {
        self.0.take().map(Turn)
    }
}

impl<Q: Clone + Send + 'static, A: Send + 'static> Drop for Begun<Q, A> {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            Shared::give_up(shared.lock());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::{
        sync::Semaphore,
        task::yield_now,
        time::{Instant, sleep},
    };

    use super::*;

    /// A database that answers a number with its double, once it may.
    struct Database {
        asked: Mutex<Vec<Vec<u32>>>,
        may: Semaphore,
        rows: AtomicUsize,
    }

    fn shared(may: usize) -> (Arc<Database>, Shared<u32, usize>) {
        let database = Arc::new(Database {
            asked: Mutex::default(),
            may: Semaphore::new(may),
            rows: AtomicUsize::new(0),
        });
        let asked = Arc::clone(&database);
        let shared = Shared::new(move |numbers: Vec<u32>| {
            let database = Arc::clone(&asked);
            async move {
                database.asked.lock().unwrap().push(numbers.clone());
                database.may.acquire().await.unwrap().forget();
                if numbers.contains(&666) {
                    return Err(StoreError::fault("what is that"));
                }
                if numbers.contains(&503) {
                    return Err(StoreError::unavailable("gone"));
                }
                let read = database.rows.load(Ordering::SeqCst);
                Ok(numbers.iter().map(|number| *number as usize * 2 + read).collect())
            }
        });
        (database, shared)
    }

    impl Database {
        fn asked(&self) -> Vec<Vec<u32>> {
            self.asked.lock().unwrap().clone()
        }
    }

    type Answer = tokio::task::JoinHandle<Result<usize, StoreError>>;

    async fn wait_for(shared: &Shared<u32, usize>, numbers: impl IntoIterator<Item = u32>) -> Vec<Answer> {
        let mut answers = Vec::new();
        for number in numbers {
            let shared = shared.clone();
            answers.push(tokio::spawn(async move { shared.ask(number).await }));
            yield_now().await;
        }
        answers
    }

    async fn numbers(answers: Vec<Answer>) -> Vec<usize> {
        let mut numbers = Vec::new();
        for answer in answers {
            numbers.push(answer.await.unwrap().unwrap());
        }
        numbers
    }

    #[tokio::test]
    async fn questions_one_after_the_other_are_asked_alone() {
        let (database, shared) = shared(9);
        for number in [1, 2, 3] {
            assert_eq!(shared.ask(number).await.unwrap(), number as usize * 2);
        }
        assert_eq!(database.asked(), [[1], [2], [3]]);
    }

    #[tokio::test(start_paused = true)]
    async fn questions_that_wait_are_asked_together() {
        let (database, shared) = shared(0);
        let answers = wait_for(&shared, 1..=40).await;
        assert_eq!(database.asked(), [[1]]);
        database.may.add_permits(3);
        assert_eq!(
            numbers(answers).await,
            (1..=40).map(|number| number * 2).collect::<Vec<_>>()
        );
        assert_eq!(
            database.asked(),
            [vec![1], (2..=33).collect(), (34..=40).collect()]
        );
    }

    #[tokio::test]
    async fn questions_of_the_same_moment_are_asked_together() {
        let (database, shared) = shared(9);
        let answers = tokio::join!(shared.ask(1), shared.ask(2), shared.ask(3));
        assert_eq!(
            (answers.0.unwrap(), answers.1.unwrap(), answers.2.unwrap()),
            (2, 4, 6)
        );
        assert_eq!(database.asked(), [[2, 3, 1]]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_away_before_asking_holds_up_nobody() {
        let (database, shared) = shared(9);
        let first = tokio::spawn({
            let shared = shared.clone();
            async move { shared.ask(1).await }
        });
        let second = wait_for(&shared, [2]).await;
        assert_eq!(database.asked(), [[0; 0]; 0], "the first one lets others come");
        first.abort();
        assert_eq!(numbers(second).await, [4]);
        assert_eq!(database.asked(), [[2]]);
    }

    #[test]
    fn a_runtime_ends_while_questions_wait() {
        let (_, shared) = shared(0);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let _waiting = wait_for(&shared, 1..=3).await;
        });
        drop(runtime);
        let queue = shared.lock();
        assert_eq!((queue.asking, queue.waiting.len()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn no_answer_is_older_than_its_question() {
        let (database, shared) = shared(0);
        let mut first = wait_for(&shared, [1]).await;
        database.may.add_permits(1);
        numbers(first.split_off(0)).await;
        let first = wait_for(&shared, [1]).await;
        let second = wait_for(&shared, [1]).await;
        database.rows.store(100, Ordering::SeqCst);
        database.may.add_permits(1);
        assert_eq!(numbers(first).await, [102]);
        database.rows.store(200, Ordering::SeqCst);
        database.may.add_permits(1);
        assert_eq!(
            numbers(second).await,
            [202],
            "it is not answered by the first one's row"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_away_holds_up_nobody() {
        let (database, shared) = shared(0);
        let first = wait_for(&shared, [1]).await;
        let gone = wait_for(&shared, [2]).await;
        let others = wait_for(&shared, [3, 4]).await;
        for answer in first.iter().chain(&gone) {
            answer.abort();
        }
        database.may.add_permits(1);
        assert_eq!(numbers(others).await, [6, 8]);
        assert_eq!(database.asked(), [vec![1], vec![3, 4]]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_hangs_holds_up_the_others_for_a_moment_only() {
        let (database, shared) = shared(0);
        let hangs = wait_for(&shared, [1]).await;
        let begin = Instant::now();
        let others = wait_for(&shared, [2, 3]).await;
        sleep(PATIENCE * 2).await;
        assert_eq!(
            database.asked(),
            [vec![1], vec![2, 3]],
            "though the first one still hangs"
        );
        // Permits go to who has waited longest.
        database.may.add_permits(2);
        assert_eq!(numbers(others).await, [4, 6]);
        assert!(begin.elapsed() <= PATIENCE * 3, "{:?}", begin.elapsed());
        numbers(hangs).await;
        assert_eq!(shared.lock().asking, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_database_cannot_read_spoils_only_its_own_answer() {
        let (database, shared) = shared(0);
        let mut answers = wait_for(&shared, [1, 2, 666, 4]).await;
        database.may.add_permits(9);
        let refused = answers.remove(2).await.unwrap();
        assert!(matches!(refused, Err(StoreError::Fault(_))));
        assert_eq!(numbers(answers).await, [2, 4, 8]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_database_that_is_gone_is_asked_once_for_all_who_wait() {
        let (database, shared) = shared(0);
        let answers = wait_for(&shared, [1, 503, 3]).await;
        database.may.add_permits(9);
        let mut gone = 0;
        for answer in answers {
            gone += usize::from(matches!(answer.await.unwrap(), Err(StoreError::Unavailable(_))));
        }
        assert_eq!((gone, database.asked().len()), (2, 2));
    }
}
