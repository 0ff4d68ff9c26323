"""The registry in memory: hives, the map from cells to addresses, and the cells themselves.

A hive is a file of cells.  A cell is named by an index, not by an address: bit 31 says whether it lasts
(stable) or is gone at shutdown (volatile), then ten bits choose an entry of a directory (1024 pointers),
nine bits an entry of the table it points to (512 of ``_HMAP_ENTRY``), and twelve bits a byte of that block.
Source: Russinovich, Solomon and Ionescu, "Windows Internals", part 2, chapter 10 (The registry).
"""

from __future__ import annotations

from structs.field_types import Bytes, FileTime, ListEntry, Pointer, UInt, UnicodeString
from structs.layout import Layout, at

CMHIVE = Layout(
    "_CMHIVE",
    "a loaded hive, in system address space",
    {
        "Signature": at(UInt, "0xBEE0BEE0 in every hive", "Hive.Signature"),
        "BaseBlock": at(Pointer, "the hive's header, a copy of the file's first block", "Hive.BaseBlock"),
        "Version": at(UInt, "minor version of the format: from 4 on, long values are kept in parts", "Hive.Version"),
        "Storage": at(Bytes, "two _DUAL: where the stable cells are, and where the volatile ones", "Hive.Storage"),
        "HiveList": at(ListEntry, "neighbours in the list of all hives"),
        "FileFullPath": at(UnicodeString, "path of the hive's file"),
        "FileUserName": at(UnicodeString, "the file's name as the hive was loaded by"),
        "HiveRootPath": at(UnicodeString, "where in the registry the hive begins"),
    },
)

DUAL = Layout(
    "_DUAL",
    "one storage of a hive, stable or volatile",
    {
        "Length": at(UInt, "bytes of all its bins"),
        "Map": at(Pointer, "directory of tables that map cell indexes to blocks"),
        "SmallDir": at(Pointer, "the only table of a small hive; the directory is then this very pointer"),
    },
)

HMAP_ENTRY = Layout(
    "_HMAP_ENTRY",
    "where one block (4 KB) of a hive lies in memory",
    {
        "BlockAddress": at(Pointer, "address of the block, up to Windows 8.1"),
        "BinAddress": at(Pointer, "address of the bin that the block belongs to, up to Windows 8.1"),
        "BlockOffset": at(UInt, "bytes from the start of the bin to the block, since Windows 10"),
        "PermanentBinAddress": at(Pointer, "address of the bin, its lowest four bits are flags, since Windows 10"),
    },
)

HBASE_BLOCK = Layout(
    "_HBASE_BLOCK",
    "the header of a hive's file",
    {
        "Signature": at(UInt, "regf"),
        "Major": at(UInt, "major version of the format"),
        "Minor": at(UInt, "minor version of the format"),
        "RootCell": at(UInt, "cell of the key that everything in the hive is below"),
        "Length": at(UInt, "bytes of all stable bins"),
    },
)

CM_KEY_NODE = Layout(
    "_CM_KEY_NODE",
    "a key, in a cell",
    {
        "Signature": at(UInt, "nk"),
        "Flags": at(UInt, "how the key is kept; 0x20: its name has one byte a character"),
        "LastWriteTime": at(FileTime, "when the key was last changed"),
        "Parent": at(UInt, "cell of the key above"),
        "SubKeyCounts": at(Bytes, "numbers of stable and of volatile subkeys"),
        "SubKeyLists": at(Bytes, "cells of the lists of stable and of volatile subkeys"),
        "ValueCount": at(UInt, "number of values", "ValueList.Count"),
        "ValueList": at(UInt, "cell of the list of values", "ValueList.List"),
        "Security": at(UInt, "cell of the security descriptor"),
        "Class": at(UInt, "cell of the class name"),
        "NameLength": at(UInt, "bytes of the name"),
        "ClassLength": at(UInt, "bytes of the class name"),
        "Name": at(Bytes, "the name's first character; the others follow"),
    },
)

CM_KEY_VALUE = Layout(
    "_CM_KEY_VALUE",
    "a value of a key, in a cell",
    {
        "Signature": at(UInt, "vk"),
        "NameLength": at(UInt, "bytes of the name, zero for the default value"),
        "DataLength": at(UInt, "bytes of the data; the highest bit says that they are in the field Data itself"),
        "Data": at(UInt, "cell of the data, or up to four bytes of data"),
        "Type": at(UInt, "1 REG_SZ, 2 REG_EXPAND_SZ, 3 REG_BINARY, 4 REG_DWORD ..."),
        "Flags": at(UInt, "0x1: the name has one byte a character"),
        "Name": at(Bytes, "the name's first character; the others follow"),
    },
)

CM_KEY_INDEX = Layout(
    "_CM_KEY_INDEX",
    "a list of subkeys, in a cell",
    {
        "Signature": at(UInt, "lf, lh (cell and hash of each subkey), li (cells), ri (cells of further lists)"),
        "Count": at(UInt, "number of entries"),
        "List": at(UInt, "the first entry; the others follow"),
    },
)

CM_KEY_BODY = Layout(
    "_CM_KEY_BODY",
    "a key that is open: the object that a handle leads to",
    {
        "Type": at(UInt, "ky02"),
        "KeyControlBlock": at(Pointer, "the key itself"),
        "ProcessID": at(UInt, "process that opened it"),
        "Trans": at(Bytes, "transaction that it was opened in, or none (since Windows 10 1607)"),
    },
)

CM_KEY_CONTROL_BLOCK = Layout(
    "_CM_KEY_CONTROL_BLOCK",
    "a key that somebody has open, once for all who do",
    {
        "RefCount": at(UInt, "how many hold it"),
        "Freed": at(UInt, "it is given back already (since Windows 10 1809)"),
        "KeyHive": at(Pointer, "the hive that the key is in", "KeyHive", "KeyHash.KeyHive"),
        "KeyCell": at(UInt, "cell of the key's _CM_KEY_NODE", "KeyCell", "KeyHash.KeyCell"),
        "ParentKcb": at(Pointer, "the key above"),
        "NameBlock": at(Pointer, "the key's own name, shared by all keys of that name"),
        "Flags": at(UInt, "what sort of key: 0x4 the root of a hive, in older builds its entry"),
    },
)

CM_NAME_CONTROL_BLOCK = Layout(
    "_CM_NAME_CONTROL_BLOCK",
    "a name of keys, kept once",
    {
        "Compressed": at(UInt, "the name has one byte a character"),
        "NameLength": at(UInt, "bytes of the name"),
        "Name": at(Bytes, "the name's first character; the others follow"),
    },
)
