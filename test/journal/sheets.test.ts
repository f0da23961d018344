import { expect, it } from 'vitest'
import { Sheets } from '../../src/engine/embedded/journal/sheets.ts'

const SHEET = 65_536

function filled(sheets: Sheets, segment: number, fileOffset: number): ReturnType<Sheets['open']> {
  const sheet = sheets.open(segment, fileOffset, 0)
  sheet.bytes.fill(segment * 16 + sheets.sheetBytes / SHEET)
  sheet.used = sheet.bytes.length
  return sheet
}

it('keeps what is not written, however much that is, and lets go of the oldest that is', () => {
  const sheets = new Sheets(2 * SHEET)
  const first = filled(sheets, 1, 4_096)
  const second = filled(sheets, 1, 4_096 + SHEET)
  filled(sheets, 1, 4_096 + 2 * SHEET)
  expect(sheets.find(1, 4_096, 10)).toBe(first)
  first.written = first.used
  filled(sheets, 1, 4_096 + 3 * SHEET)
  expect(sheets.find(1, 4_096, 10)).toBeUndefined()
  expect(sheets.find(1, 4_096 + SHEET, SHEET)).toBe(second)
})

it('finds only what one sheet holds as a whole, and no more than its records', () => {
  const sheets = new Sheets(4 * SHEET)
  const first = filled(sheets, 1, 4_096)
  const open = sheets.open(2, 4_096, 0)
  open.used = 100
  expect(sheets.find(1, 4_096 + SHEET - 5, 5)).toBe(first)
  expect(sheets.find(1, 4_096 + SHEET - 5, 6)).toBeUndefined()
  expect(sheets.find(1, 4_095, 5)).toBeUndefined()
  expect(sheets.find(2, 4_096, 100)).toBe(open)
  expect(sheets.find(2, 4_096, 101)).toBeUndefined()
})

it('uses the memory of what it let go, and gives a large record a sheet of its own', () => {
  const sheets = new Sheets(2 * SHEET)
  const first = filled(sheets, 1, 0)
  first.written = first.used
  filled(sheets, 1, SHEET)
  filled(sheets, 1, 2 * SHEET)
  expect(sheets.open(1, 3 * SHEET, 0).bytes).toBe(first.bytes)
  expect(sheets.open(1, 4 * SHEET, 1_000_000).bytes.length).toBe(1_000_000)
})

it('lays what it has over what a file told', () => {
  const sheets = new Sheets(4 * SHEET)
  const sheet = sheets.open(1, 1_000, 0)
  sheet.bytes.write('abcdef')
  sheet.used = 6
  const target = Buffer.from('..........')
  sheets.overlay(target, 1, 998)
  expect(target.toString()).toBe('..abcdef..')
  sheets.overlay(target, 2, 998)
  expect(target.toString()).toBe('..abcdef..')
})
