"""The process engine: virtual environments and sandboxed processes of this machine."""
