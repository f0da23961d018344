/** What is wrong with a store, in one line of the command, with what to do about it. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SCHEMA_VERSION } from '../../src/engine/postgres/migrate.ts'
import { spindle } from '../cli/command.ts'
import { PostgresServer, whyNoPostgres } from './server.ts'
import { type Standby, standbyOf } from './standby.ts'

const missing = whyNoPostgres()
let server: PostgresServer
let standby: Standby

/** The one line that the command ends with. */
async function complaint(...args: readonly string[]): Promise<string> {
  const command = spindle(args)
  expect(await command.exited).toBe(1)
  const lines = command
    .errors()
    .split('\n')
    .filter((line) => line.startsWith('spindle: '))
  expect(lines).toHaveLength(1)
  expect(command.errors()).not.toMatch(/\n\s+at /)
  return lines[0] as string
}

describe.skipIf(missing !== undefined)(`a store that refuses${missing === undefined ? '' : ` (${missing})`}`, () => {
  beforeAll(async () => {
    server = await PostgresServer.start()
    await server.run("create role app login password 'right'")
    for (const database of ['newer', 'older']) await server.createDatabase(database)
    const schema = 'create schema spindle; create table spindle.migration (version int primary key)'
    await server.run(`${schema}; insert into spindle.migration values (99)`, 'newer')
    await server.run(
      `${schema}; grant usage on schema spindle to app; grant select on spindle.migration to app`,
      'older',
    )
    const hba = join(server.dataFolder, 'pg_hba.conf')
    writeFileSync(hba, `host all app 127.0.0.1/32 scram-sha-256\n${readFileSync(hba, 'utf8')}`)
    await server.run('select pg_reload_conf()')
    standby = await standbyOf(server)
  }, 120_000)
  afterAll(async () => {
    await standby?.dispose()
    await server?.dispose()
  })

  it('names the trouble and the remedy', async () => {
    const as = (user: string, database = 'postgres'): string => server.url(database, user)
    const expected: [string, RegExp, ...string[]][] = [
      ['no server', /does not answer.*host and port/, 'migrate', '--engine', 'postgres://127.0.0.1:1/x'],
      ['wrong password', /refused the login.*the password/, 'migrate', '--engine', as('app:wrong')],
      ['no such database', /refused the login.*the database/, 'serve', '--engine', as('postgres', 'nowhere')],
      ['no privilege', /may not do that.*Grant it/, 'migrate', '--engine', as('app:right', 'postgres')],
      ['newer', /newer Spindle.*Upgrade/, 'serve', '--engine', as('postgres', 'newer')],
      ['not migrated', /may not do that.*spindle migrate/, 'serve', '--engine', as('app:right', 'older')],
      ['standby', /only reads.*name the primary/, 'serve', '--engine', standby.server.url()],
    ]
    const found = await Promise.all(
      expected.map(async ([name, , ...args]) => [name, await complaint(...args)] as const),
    )
    for (const [i, [name, line]] of found.entries()) expect(line, name).toMatch(expected[i]?.[1] as RegExp)
    for (const [, line] of found) expect(line).not.toMatch(/wrong|:right/)
  }, 120_000)

  it('is brought to the version of this Spindle, as JSON for programs', async () => {
    const command = spindle(['migrate', '--engine', await server.createDatabase('fresh'), '--json'])
    expect([await command.exited, command.errors()]).toEqual([0, ''])
    expect(JSON.parse(command.output())).toEqual({ from: 0, to: SCHEMA_VERSION })
  }, 60_000)
})
