/** SQS's limits, in its own units. docs/compat/sqs.md lists them; a test compares the two. */

/** Body, attribute names, types and values of one message; also of a whole batch. A server may be told another one. */
export const MESSAGE_BYTES_MAX = 1_048_576
/** The smallest MaximumMessageSize. */
export const MESSAGE_BYTES_MAX_MIN = 1_024
export const BATCH_ENTRIES_MAX = 10
export const RECEIVE_MAX = 10
export const MESSAGE_ATTRIBUTES_MAX = 10
export const DELAY_SECONDS_MAX = 900
export const VISIBILITY_SECONDS_MAX = 43_200
export const WAIT_SECONDS_MAX = 20
export const RETENTION_SECONDS_MIN = 60
export const RETENTION_SECONDS_MAX = 1_209_600
export const RECEIVE_COUNT_MAX = 1_000
export const LIST_MAX = 1_000
export const TAGS_MAX = 50
export const MOVES_PER_SECOND_MAX = 500
export const FIFO_WINDOW_MS = 300_000

/** Only with `awsLimits`. */
export const IN_FLIGHT_STANDARD_MAX = 120_000
export const IN_FLIGHT_FIFO_MAX = 20_000
/** Calls of one action on one FIFO queue without high throughput, a second; a batch is one call of up to ten messages. */
export const FIFO_CALLS_PER_SECOND = 300
