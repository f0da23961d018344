/**
 * The little of `pg` that the engine uses, in types of its own: `pg` is an optional peer, so neither its code nor its types are
 * there for those who use another engine. Loaded when the first PostgreSQL store opens.
 */
import { SpindleError } from '../../model/errors.ts'

export interface Result<Row = Record<string, unknown>> {
  readonly rows: Row[]
  readonly rowCount: number | null
}

export interface Statement {
  readonly text: string
  readonly values?: readonly unknown[]
  /** Prepared under this name, once a connection. */
  readonly name?: string
  readonly types?: TypeParsers
}

export interface TypeParsers {
  getTypeParser(oid: number, format?: 'text' | 'binary'): (value: never) => unknown
}

/** A `pg` Client, or one that a Pool lent. */
export interface Connection {
  query(statement: Statement): Promise<Result>
  on(event: 'notification', heard: (message: { channel: string; payload?: string }) => void): unknown
  on(event: 'error', failed: (fault: Error) => void): unknown
  on(event: 'end', ended: () => void): unknown
}

export interface PooledConnection extends Connection {
  /** With a fault: closed instead of kept. */
  release(fault?: Error | boolean): void
  /** Cuts it; what runs on it fails. It is released all the same. */
  end(): Promise<void>
}

export interface SingleConnection extends Connection {
  connect(): Promise<void>
  end(): Promise<void>
}

export interface Pool {
  connect(): Promise<PooledConnection>
  end(): Promise<void>
  on(event: 'connect', connected: (connection: Connection) => void): unknown
  on(event: 'error', failed: (fault: Error) => void): unknown
}

export interface PoolOptions {
  readonly connectionString: string
  readonly max?: number
  readonly connectionTimeoutMillis?: number
  readonly idleTimeoutMillis?: number
  readonly application_name?: string
  readonly keepAlive?: boolean
}

export interface Driver {
  readonly Pool: new (options: PoolOptions) => Pool
  readonly Client: new (options: PoolOptions) => SingleConnection
  readonly types: TypeParsers
}

export async function loadDriver(): Promise<Driver> {
  try {
    const { default: pg } = await import('pg')
    return pg as unknown as Driver
  } catch (cause) {
    throw new SpindleError('driver-missing', 'open a PostgreSQL store', { cause })
  }
}

const INT8 = 20

/** Sequences and instants stay far below 2^53, so they are numbers here, whatever the application made of bigint for itself. */
export function typeParsers(driver: Driver): TypeParsers {
  return {
    getTypeParser: (oid, format) =>
      oid === INT8 && format !== 'binary' ? (value: string) => Number(value) : driver.types.getTypeParser(oid, format),
  }
}
