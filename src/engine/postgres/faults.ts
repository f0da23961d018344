/** Faults of PostgreSQL and of the way to it, told apart by what helps: trying again, or a person. */
import { type ErrorCode, SpindleError } from '../../model/errors.ts'

/** SQLSTATE, or the code of a system call. */
export function codeOf(fault: unknown): string | undefined {
  if (typeof fault !== 'object' || fault === null || !('code' in fault)) return undefined
  return typeof fault.code === 'string' ? fault.code : undefined
}

/** The session is over, or never was: the server stopped, restarts, was promoted, or cannot be reached. */
const LOST = new Set([
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  '08000',
  '08001',
  '08003',
  '08004',
  '08006',
  '08P01', // a pooler lost its server
  '53300', // too_many_connections
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
])

const LOST_MESSAGES =
  /Connection terminated|connection timeout|timeout exceeded when trying to connect|Client has encountered a connection error|not queryable/i

export function isLost(fault: unknown): boolean {
  const code = codeOf(fault)
  if (code !== undefined) return LOST.has(code)
  return fault instanceof Error && LOST_MESSAGES.test(fault.message)
}

/** The transaction was rolled back for a reason that is gone when it runs again. */
const PASSING = new Set([
  '40001', // serialization_failure
  '40P01', // deadlock_detected
  '23505', // unique_violation: another broker was faster; decided anew, it is a duplicate
  '55P03', // lock_not_available
  '57014', // query_canceled: statement time-out
  '25006', // read_only_sql_transaction: a primary that was just demoted
])

/** invalid_sql_statement_name, duplicate_prepared_statement: the session behind a pooler is not the one that prepared it. */
export function isNameLost(fault: unknown): boolean {
  const code = codeOf(fault)
  return code === '26000' || code === '42P05'
}

export function isPassing(fault: unknown): boolean {
  return isLost(fault) || isNameLost(fault) || PASSING.has(codeOf(fault) ?? '')
}

const NAMED: Readonly<Record<string, ErrorCode>> = {
  '28P01': 'store-refused',
  '28000': 'store-refused',
  '3D000': 'store-refused',
  '42501': 'privilege-missing',
  '25006': 'store-read-only',
  '3F000': 'schema-older',
  '42P01': 'schema-older',
  '42883': 'schema-older',
  '53100': 'disk-full',
  '57014': 'store-unreachable',
  '55P03': 'store-unreachable',
}

/** One line for a person. `attempted`: what, on which store; without its password. */
export function faultOf(fault: unknown, attempted: string): SpindleError {
  if (fault instanceof SpindleError) return fault
  const reason = fault instanceof Error ? fault.message : String(fault)
  const code = NAMED[codeOf(fault) ?? ''] ?? (isLost(fault) ? 'store-unreachable' : undefined)
  const described = `${attempted} (${reason.split('\n')[0]})`
  return new SpindleError(code ?? 'store-failed', described, { cause: fault })
}
