/** Brings a schema to the version of this Spindle, or says why it does not fit. */
import { SpindleError } from '../../model/errors.ts'
import { type Founding, TAG_BYTES } from '../../model/message-id.ts'
import type { Random } from '../../runtime/random.ts'
import type { Database } from './database.ts'
import { codeOf } from './faults.ts'
import { migrations, quoted } from './schema.ts'
import type { Transaction } from './transaction.ts'

/** The version that this Spindle works with. */
export const SCHEMA_VERSION = migrations.length

/**
 * Runs the steps that are missing, each once, whoever else starts at the same time. Without `create` privileges it only checks.
 * Rejects `schema-newer`, `schema-older`, `privilege-missing`.
 */
export async function migrate(
  database: Database,
  parts: { schema: string; random: Random },
): Promise<{ from: number; to: number }> {
  const { schema, random } = parts
  const attempted = `prepare schema ${schema}`
  const there = await database.read(attempted, versionOf)
  if (there === SCHEMA_VERSION) return { from: there, to: there }
  if (there > SCHEMA_VERSION) throw newer(database, schema, there)
  return database.transaction(attempted, async (transaction) => {
    await transaction.run("select pg_advisory_xact_lock(hashtextextended('spindle ' || $1, 0))", schema)
    await transaction.script(`create schema if not exists ${quoted(schema)}`)
    await transaction.script(
      'create table if not exists spindle.migration (version int primary key, at timestamptz not null default now())',
    )
    const from = await versionOf(transaction)
    if (from > SCHEMA_VERSION) throw newer(database, schema, from)
    for (let version = from + 1; version <= SCHEMA_VERSION; version++) {
      await transaction.script(migrations[version - 1] as string)
      await transaction.run('insert into spindle.migration (version) values ($1)', version)
    }
    if (from === 0) await transaction.run('insert into spindle.catalog (tag) values ($1)', random.bytes(TAG_BYTES))
    return { from, to: SCHEMA_VERSION }
  })
}

/** Makes a store that never gave an id the successor of the one that gave this; one that did stays what it is. */
export async function succeed(database: Database, founding: Founding): Promise<void> {
  const { tagBytes, firstNumber } = founding
  await database.transaction('found a successor', async (transaction) => {
    const changed = await transaction.rows(
      'update spindle.catalog set tag = $1 where not (select is_called from spindle.seq) returning one',
      tagBytes,
    )
    if (changed.length > 0) await transaction.run("select setval('spindle.seq', $1, true)", firstNumber)
  })
}

/** Rejects `schema-older` or `schema-newer` unless the schema is the one that this Spindle works with. */
export async function checkSchema(database: Database, schema: string): Promise<void> {
  const there = await database.read(`open schema ${schema}`, versionOf)
  if (there > SCHEMA_VERSION) throw newer(database, schema, there)
  if (there < SCHEMA_VERSION) {
    const what =
      there === 0 ? `there is no schema ${schema}` : `schema ${schema} has version ${there}, not ${SCHEMA_VERSION}`
    throw new SpindleError('schema-older', `open ${database.label} (${what})`)
  }
}

function newer(database: Database, schema: string, version: number): SpindleError {
  return new SpindleError(
    'schema-newer',
    `open ${database.label} (schema ${schema} has version ${version}, not ${SCHEMA_VERSION})`,
  )
}

/** 0: there is none. */
async function versionOf(transaction: Transaction): Promise<number> {
  try {
    const [row] = await transaction.rows<{ version: number }>(
      'select coalesce(max(version), 0) as version from spindle.migration',
    )
    return row?.version ?? 0
  } catch (fault) {
    if (codeOf(fault) === '42P01' || codeOf(fault) === '3F000') return 0
    throw fault
  }
}
