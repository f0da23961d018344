/** One catalogue of faults: code, what it means, what to do. docs/concepts/errors.md lists it; a test compares them. */
export const errorCatalogue = {
  'unknown-url': {
    meaning: 'The URL names no engine.',
    remedy: 'Use memory:, file:PATH, postgres://… or http://HOST:PORT.',
  },
  'invalid-argument': {
    meaning: 'A value is outside its limits.',
    remedy: 'Correct the value that the message names.',
  },
  'no-such-queue': {
    meaning: 'The queue has not been declared.',
    remedy: 'Declare it first with spindle.queue(name).',
  },
  'queue-exists': {
    meaning: 'A queue of this name exists already.',
    remedy: 'Take another name, or declare it without expect.',
  },
  'queue-not-empty': {
    meaning: 'The queue still holds messages.',
    remedy: 'Consume or purge them first, or delete it without ifEmpty.',
  },
  'no-such-exchange': {
    meaning: 'The exchange has not been declared.',
    remedy: 'Declare it first with spindle.exchange(name) or spindle.topic(name).',
  },
  'exchange-exists': {
    meaning: 'An exchange of this name exists already, perhaps of another kind.',
    remedy: 'Use it as it is, take another name, or delete it first.',
  },
  'exchange-in-use': {
    meaning: 'Bindings still leave the exchange.',
    remedy: 'Remove them first, or delete it without ifUnused.',
  },
  'redrive-running': {
    meaning: 'A redrive of this source is still running.',
    remedy: 'Wait for it, or cancel it.',
  },
  'queue-full': {
    meaning: 'The queue is at its lengthMax or lengthBytesMax and its policy refuses more.',
    remedy: 'Wait for consumers, or raise the cap.',
  },
  'disk-full': {
    meaning: 'The disk has no room for new messages; receiving and settling go on.',
    remedy: 'Free space; sending resumes by itself.',
  },
  'too-large': {
    meaning: 'The message is over the size limit.',
    remedy: 'Store the payload elsewhere and send a reference, or raise messageBytesMax.',
  },
  'id-in-use': { meaning: 'Another live message has the id.', remedy: 'Send without an id.' },
  'group-required': { meaning: 'The queue orders by group and the message has none.', remedy: 'Send with a group.' },
  stale: {
    meaning: 'The lease is over and the message may be with somebody else.',
    remedy: 'Drop the work, or extend leases in time.',
  },
  aborted: {
    meaning: 'A required step of the transaction failed, so nothing of it was applied.',
    remedy: 'Look at the step that the message names.',
  },
  closed: { meaning: 'The store or connection was closed.', remedy: 'Open it again.' },
  poisoned: {
    meaning: 'A write or sync failed, so nothing further can be promised.',
    remedy: 'Mend the disk, then open the folder again; what was acknowledged is there.',
  },
  corrupt: {
    meaning: 'A stored record does not match its checksum.',
    remedy: 'Do not delete anything; restore the folder from a backup, or run spindle doctor on it.',
  },
  'format-newer': {
    meaning: 'The data folder was written by a newer Spindle.',
    remedy: 'Upgrade spindle-mq, or open another folder.',
  },
  'format-older': {
    meaning: 'The data folder was written by an older Spindle, in a format that is not read any more.',
    remedy: 'Let the version that wrote it drain the folder, or open another one.',
  },
  'folder-busy': {
    meaning: 'Another process owns the folder and does not answer.',
    remedy: 'Stop that process, or wait for it.',
  },
  'driver-missing': {
    meaning: 'The package pg, which speaks to PostgreSQL, is not installed.',
    remedy: 'Run npm install pg.',
  },
  'store-unreachable': {
    meaning: 'PostgreSQL does not answer.',
    remedy: 'Check that it runs, and the host and port of the URL.',
  },
  'store-refused': {
    meaning: 'PostgreSQL refused the login.',
    remedy: 'Check the user, the password and the database of the URL.',
  },
  'store-failed': {
    meaning: 'PostgreSQL answered with an error.',
    remedy: 'Look at what it says; the call had no effect.',
  },
  'store-read-only': {
    meaning: 'The server only reads: it is a standby, or its transactions are read-only.',
    remedy: 'Let the URL name the primary (with several hosts: target_session_attrs=read-write).',
  },
  'privilege-missing': {
    meaning: 'The role may not do that in the schema.',
    remedy: 'Grant it what docs/concepts/postgres.md lists, or run spindle migrate as the owner.',
  },
  'schema-older': {
    meaning: 'The schema is missing, or older than this Spindle.',
    remedy: 'Run spindle migrate with a role that may create it.',
  },
  'schema-newer': {
    meaning: 'The schema was made by a newer Spindle.',
    remedy: 'Upgrade spindle-mq, or use another schema.',
  },
  'outcome-unknown': {
    meaning: 'The other side went away before it answered; the call may or may not have taken effect.',
    remedy: 'Repeat it if it may run twice, or use a dedupId.',
  },
  unreachable: {
    meaning: 'No server answers.',
    remedy: 'Start it, or correct the URL; what waits goes on by itself.',
  },
  protocol: {
    meaning: 'The other side of the connection does not speak this version of the Spindle protocol.',
    remedy: 'Upgrade spindle-mq on the older side, and look at the URL.',
  },
  unsupported: { meaning: 'This engine cannot do that.', remedy: 'Look at its capabilities.' },
  overloaded: { meaning: 'A limit on waiting calls is reached.', remedy: 'Wait for earlier calls first.' },
  'invalid-input': {
    meaning: 'The input does not fit the task.',
    remedy: 'Correct the fields that the message names.',
  },
  'unknown-task': { meaning: 'No worker here knows the task.', remedy: 'Pass its definition to work().' },
  'result-too-large': {
    meaning: 'The result of the task is over the limit.',
    remedy: 'Store it elsewhere and return a reference, or raise resultBytesMax.',
  },
  'task-failed': { meaning: 'The task ended without success.', remedy: 'Look at its error and its history.' },
  'task-cancelled': { meaning: 'The task was cancelled.', remedy: 'Enqueue it again if it is still wanted.' },
  timeout: { meaning: 'The answer did not come in time.', remedy: 'Wait longer, or look at the status.' },
  'no-such-schedule': {
    meaning: 'No schedule has this name.',
    remedy: 'Declare it with spindle.schedule(name, …).',
  },
  'listen-failed': {
    meaning: 'The address cannot be listened on.',
    remedy: 'Stop the program that has it, or choose another one (--host, --port, --amqp-port).',
  },
  exposed: {
    meaning: 'The server would be open to the network.',
    remedy: 'Add a user and TLS (--tls-cert, --tls-key), listen on loopback, or say --insecure.',
  },
  'no-such-user': { meaning: 'No user has this name.', remedy: 'Create it first with spindle user add.' },
  'not-authenticated': {
    meaning: 'The server has users, and the call does not say whose it is.',
    remedy: 'Pass a token of a user (spindle user add --new-token).',
  },
  'access-denied': {
    meaning: 'The user may not do this.',
    remedy: 'Give the user a grant for it (spindle user add --grant).',
  },
  'import-failed': {
    meaning: 'A queue could not be copied over; what was imported by then is there.',
    remedy: 'Mend what the message names, then import again.',
  },
  'not-found': {
    meaning: 'No message has this id; it may have ended and its retention passed.',
    remedy: 'Keep results longer.',
  },
} as const satisfies Record<string, { meaning: string; remedy: string }>

export type ErrorCode = keyof typeof errorCatalogue

/** The faults that say nothing of the call itself: the store behind it is gone, lost or shut, and the same call may do later. */
const unavailableCodes = [
  'closed',
  'outcome-unknown',
  'driver-missing',
  'store-unreachable',
  'store-refused',
  'store-failed',
  'store-read-only',
  'privilege-missing',
  'schema-older',
  'schema-newer',
] as const satisfies readonly ErrorCode[]

/** Front ends answer these with their protocol's "unavailable". */
export function isUnavailable(code: ErrorCode): code is (typeof unavailableCodes)[number] {
  return unavailableCodes.some((unavailable) => unavailable === code)
}

/** A fault, or a refusal that a convenience method turned into one. `message` says what was attempted, on what, and what to do. */
export class SpindleError extends Error {
  override readonly name = 'SpindleError'
  readonly code: ErrorCode
  /** The part of `message` that is this fault's own: what was attempted, on what. */
  readonly attempted: string

  constructor(code: ErrorCode, attempted: string, options?: { readonly cause?: unknown }) {
    const { meaning, remedy } = errorCatalogue[code]
    super(`${attempted}: ${meaning} ${remedy}`, options)
    this.code = code
    this.attempted = attempted
  }
}

/** Whether `thrown` is the fault of this code. */
export function isFault(thrown: unknown, code: ErrorCode): thrown is SpindleError {
  return thrown instanceof SpindleError && thrown.code === code
}
