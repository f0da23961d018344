/**
 * A streaming standby, cloned as an administrator would without pg_basebackup: a copy of the running primary's folder between
 * pg_backup_start and pg_backup_stop (PostgreSQL manual, 25.3.4).
 */

import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { identity, PostgresServer } from './server.ts'

/** Of this run of the primary, and no part of its data. */
const LEFT_OUT = ['postmaster.pid', 'postmaster.opts', 'pg_replslot', 'pg_stat_tmp']

export interface Standby {
  readonly server: PostgresServer
  dispose(): Promise<void>
}

/** Files come and go under load; what is missing in the copy is in the log that it replays. */
function copied(from: string, to: string): void {
  const { stderr } = spawnSync('cp', ['-a', from, to], { encoding: 'utf8' })
  const others = stderr.split('\n').filter((line) => line !== '' && !line.includes('No such file or directory'))
  if (others.length > 0) throw new Error(`the cluster cannot be copied: ${others[0]}`)
  for (const own of LEFT_OUT) rmSync(join(to, own), { recursive: true, force: true })
}

/** Ready when the primary sends it what it commits, and waits for it: what is acknowledged from then on is on both. */
export async function standbyOf(primary: PostgresServer): Promise<Standby> {
  const folder = mkdtempSync(join(tmpdir(), 'spindle-standby-'))
  chmodSync(folder, 0o755)
  const dataFolder = join(folder, 'data')
  const session = new pg.Client({ connectionString: primary.url() })
  await session.connect()
  await session.query("select pg_backup_start('standby', true)")
  copied(primary.dataFolder, dataFolder)
  for (const empty of ['pg_replslot', 'pg_stat_tmp']) mkdirSync(join(dataFolder, empty), { recursive: true })
  const { rows } = await session.query<{ labelfile: string }>('select labelfile from pg_backup_stop(false)')
  await session.end()
  writeFileSync(join(dataFolder, 'backup_label'), rows[0]?.labelfile ?? '')
  writeFileSync(join(dataFolder, 'standby.signal'), '')
  chmodSync(dataFolder, 0o700)
  if (identity !== undefined) spawnSync('chown', ['-R', `${identity.uid}:${identity.gid}`, folder])

  const primaryUrl = new URL(primary.url())
  const settings = {
    primary_conninfo: `host=127.0.0.1 port=${primaryUrl.port} user=postgres application_name=standby`,
  }
  const server = await PostgresServer.start({ dataFolder, settings })
  await primary.run("alter system set synchronous_standby_names = 'standby'")
  await primary.run('select pg_reload_conf()')
  for (;;) {
    const { rows: senders } = await primary.run("select 1 from pg_stat_replication where sync_state = 'sync'")
    if (senders.length > 0) break
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  return {
    server,
    async dispose() {
      await server.dispose()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
