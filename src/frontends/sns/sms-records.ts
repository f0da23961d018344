/** SMS settings, opted-out numbers and numbers of the sandbox, as records. No SMS is ever sent. */
import type { Port } from '../../broker/port.ts'
import { type Texts, texts } from './params.ts'
import { decodeRecord, encodeRecord, RECORD_PREFIX } from './record-codec.ts'

export interface SandboxNumber {
  readonly number: string
  readonly status: 'Pending' | 'Verified'
  readonly password: string
}

const SETTINGS = `${RECORD_PREFIX}sms/settings`
const OPTED_OUT = `${RECORD_PREFIX}sms/opted-out/`
const SANDBOX = `${RECORD_PREFIX}sms/sandbox/`

export async function readSmsSettings(port: Port): Promise<Texts> {
  const record = await port.read(SETTINGS)
  return record === undefined ? texts() : texts(Object.entries(decodeRecord<Texts>(record.value)))
}

export async function writeSmsSettings(port: Port, settings: Texts): Promise<void> {
  await port.transact([{ kind: 'record', key: SETTINGS, value: encodeRecord(settings) }])
}

export async function isOptedOut(port: Port, number: string): Promise<boolean> {
  return (await port.read(OPTED_OUT + number)) !== undefined
}

export async function optIn(port: Port, number: string): Promise<void> {
  await port.transact([{ kind: 'record', key: OPTED_OUT + number, value: null }])
}

export async function optedOutPage(
  port: Port,
  { after, limit }: { readonly after: string | undefined; readonly limit: number },
): Promise<string[]> {
  const page = await port.scan(OPTED_OUT, { limit, ...(after === undefined ? {} : { after: OPTED_OUT + after }) })
  return page.map(({ key }) => key.slice(OPTED_OUT.length))
}

export async function findSandboxNumber(port: Port, number: string): Promise<SandboxNumber | undefined> {
  const record = await port.read(SANDBOX + number)
  return record === undefined ? undefined : decodeRecord<SandboxNumber>(record.value)
}

export async function putSandboxNumber(port: Port, number: SandboxNumber): Promise<void> {
  await port.transact([{ kind: 'record', key: SANDBOX + number.number, value: encodeRecord(number) }])
}

export async function removeSandboxNumber(port: Port, number: string): Promise<void> {
  await port.transact([{ kind: 'record', key: SANDBOX + number, value: null }])
}

export async function sandboxPage(
  port: Port,
  { after, limit }: { readonly after: string | undefined; readonly limit: number },
): Promise<SandboxNumber[]> {
  const page = await port.scan(SANDBOX, { limit, ...(after === undefined ? {} : { after: SANDBOX + after }) })
  return page.map(({ value }) => decodeRecord<SandboxNumber>(value))
}
