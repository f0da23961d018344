/** Who we are to the server, and whether we may change anything. */
import { createContext } from 'preact'
import { useContext } from 'preact/hooks'
import type { SessionInfo } from '../../src/frontends/admin/api.ts'

export interface Session {
  readonly info: SessionInfo
  /** The person's own wish, kept in the browser. */
  readonly careful: boolean
  readonly setCareful: (careful: boolean) => void
}

export const SessionContext = createContext<Session | undefined>(undefined)

/** Are there buttons that change something? */
export function useWriting(): boolean {
  const session = useContext(SessionContext)
  return session !== undefined && !session.info.readOnly && !session.careful
}
