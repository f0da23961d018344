import { describe, expect, it } from 'vitest'
import { AwsError } from '../../src/wire/aws/error.ts'
import { readForm } from '../../src/wire/aws/form.ts'
import { readQuery } from '../../src/wire/aws/query.ts'
import { boolean, integer, list, map, type StructureShape, string, structure } from '../../src/wire/aws/shape.ts'

const flat = structure({
  QueueUrl: string,
  Max: integer,
  On: boolean,
  AttributeNames: list(string, 'AttributeName'),
  Attributes: map(string, { flat: 'Attribute', key: 'Name', value: 'Value' }),
  Entries: list(
    structure({
      Id: string,
      Headers: map(structure({ DataType: string }), { flat: 'Header', key: 'Name', value: 'Value' }),
    }),
    'Entry',
  ),
})
const nested = structure({ TagKeys: list(string), Attributes: map(string) })

function read(form: string, shape: StructureShape): unknown {
  return JSON.parse(JSON.stringify(readQuery(readForm(form), shape)))
}

function failure(form: string, shape: StructureShape): AwsError {
  try {
    readQuery(readForm(form), shape)
  } catch (fault) {
    if (fault instanceof AwsError) return fault
  }
  throw new Error(`'${form}' was taken`)
}

describe('forms of the Query protocol', () => {
  it('are read by the shape: numbers, flags, flattened lists and maps', () => {
    const form =
      'Action=X&QueueUrl=http%3A%2F%2Fh%2Fq&Max=10&On=TRUE&AttributeName.2=b&AttributeName.1=a' +
      '&Attribute.1.Name=Delay&Attribute.1.Value=5&Entry.1.Id=x&Entry.1.Header.1.Name=h&Entry.1.Header.1.Value.DataType=String'
    expect(read(form, flat)).toEqual({
      QueueUrl: 'http://h/q',
      Max: 10,
      On: true,
      AttributeNames: ['a', 'b'],
      Attributes: { Delay: '5' },
      Entries: [{ Id: 'x', Headers: { h: { DataType: 'String' } } }],
    })
  })

  it('order list items by number, past nine', () => {
    const form = Array.from({ length: 12 }, (_, i) => `AttributeName.${12 - i}=${12 - i}`).join('&')
    expect(read(form, flat)).toEqual({ AttributeNames: Array.from({ length: 12 }, (_, i) => `${i + 1}`) })
  })

  it('name members and entries where a service does not flatten', () => {
    const form = 'TagKeys.member.1=a&TagKeys.member.2=b&Attributes.entry.1.key=k&Attributes.entry.1.value=v'
    expect(read(form, nested)).toEqual({ TagKeys: ['a', 'b'], Attributes: { k: 'v' } })
  })

  it('take plus signs, percent escapes and raw text alike', () => {
    expect(read('QueueUrl=a+b%20c%C3%A9é%2B', flat)).toEqual({ QueueUrl: 'a b céé+' })
  })

  it('treat __proto__ and constructor as names like any other', () => {
    const form =
      '__proto__.polluted=1&constructor.prototype.polluted=1&Attribute.1.Name=__proto__&Attribute.1.Value=x&Attribute.2.Name=constructor&Attribute.2.Value=y'
    const params = readQuery(readForm(form), flat)
    expect(Object.entries(params['Attributes'] as object)).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ])
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })

  it.each([
    ['a broken escape', 'QueueUrl=%ZZ', 'MalformedQueryString'],
    ['bytes that are not UTF-8', 'QueueUrl=%FF%FE', 'MalformedQueryString'],
    ['a name that is too deep', `${'a.'.repeat(20)}b=1`, 'MalformedQueryString'],
    ['a list without numbers', 'AttributeName.first=a', 'MalformedQueryString'],
    ['a map entry without a name', 'Attribute.1.Value=a', 'MalformedQueryString'],
    ['too many fields', 'a=1&'.repeat(5_000), 'MalformedQueryString'],
    ['a number that is none', 'Max=ten', 'InvalidParameterValue'],
    ['a flag that is none', 'On=yes', 'InvalidParameterValue'],
  ])('are refused for %s', (_, form, code) => {
    expect(failure(form, flat).code).toBe(code)
  })
})
