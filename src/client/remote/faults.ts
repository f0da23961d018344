/** Faults cross the wire as code and message, and come out as the same `SpindleError`. */
import { type ErrorCode, errorCatalogue, SpindleError } from '../../model/errors.ts'

/** What is not in the catalogue: a defect of the other side, told by its message alone. */
const DEFECT = 'defect'

export interface WireFault {
  readonly code: string
  readonly message: string
}

export function wireFaultOf(error: unknown): WireFault {
  if (error instanceof SpindleError) return { code: error.code, message: error.message }
  return { code: DEFECT, message: error instanceof Error ? error.message : String(error) }
}

export function faultOf({ code, message }: WireFault): Error {
  if (!isErrorCode(code)) return new Error(`the owner of the store failed: ${message}`)
  const { meaning, remedy } = errorCatalogue[code]
  const tail = `: ${meaning} ${remedy}`
  return new SpindleError(code, message.endsWith(tail) ? message.slice(0, -tail.length) : message)
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCatalogue, code)
}
