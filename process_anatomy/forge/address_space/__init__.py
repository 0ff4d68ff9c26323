"""Sections, VAD trees and working sets."""
